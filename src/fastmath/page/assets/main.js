// What happens when the page is opened.

function followSections() {
  const links = new Map([...document.querySelectorAll('nav a')].map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute('aria-current');
      links.get(entry.target.id)?.setAttribute('aria-current', 'true');
    }
  }, { rootMargin: '-20% 0px -70% 0px' });
  document.querySelectorAll('main > section').forEach((section) => observer.observe(section));
}

offerThemes();
followSections();
for (const element of document.querySelectorAll('[data-figure]')) {
  whenSeen(element, () => drawFigure(element, readData(element.dataset.figure)));
}
document.querySelectorAll('[data-curves]').forEach(setUpCurves);
setUpSamples();
document.querySelectorAll('[data-contest]').forEach(setUpContest);
