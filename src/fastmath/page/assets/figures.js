// Drawing figures when they come into view, in the colours of a light or a dark page.

const style = readData('style');
const drawn = new Map(); // element → its figure

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function themed(layout) {
  const theme = isDark() ? style.dark : style.light;
  return { ...layout, ...theme, xaxis: { ...layout.xaxis, spikecolor: theme.font.color } };
}

// A colour of the figures as it is seen on the page's ground: some are too dark for a dark one.
function seen(colour) {
  if (!isDark() || typeof colour !== 'string') return colour;
  const parts = colour.match(/^rgba\((\d+),(\d+),(\d+),(.+)\)$/);
  if (!parts) return style.on_dark[colour] || colour;
  const solid = '#' + parts.slice(1, 4).map((part) => Number(part).toString(16).padStart(2, '0')).join('');
  const [red, green, blue] = (style.on_dark[solid] || solid).slice(1).match(/../g).map((part) => parseInt(part, 16));
  return `rgba(${red},${green},${blue},${Math.min(1, 1.6 * parts[4])})`; // what is faint is fainter on a dark ground
}

function recolour(trace) {
  const line = trace.line && { ...trace.line, color: seen(trace.line.color) };
  const marker = trace.marker && { ...trace.marker, color: seen(trace.marker.color) };
  return { ...trace, ...(line && { line }), ...(marker && { marker }), ...(trace.fillcolor && { fillcolor: seen(trace.fillcolor) }) };
}

// Draws now and whenever the colours change. What the reader has hidden in the legend stays hidden (`uirevision`).
function drawFigure(element, figure) {
  drawn.set(element, figure);
  return Plotly.react(element, figure.data.map(recolour), themed(figure.layout), style.config);
}

function forgetFigure(element) {
  Plotly.purge(element);
  drawn.delete(element);
}

function whenSeen(element, work) {
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      observer.disconnect();
      work();
    }
  }, { rootMargin: '400px' });
  observer.observe(element);
}

function redrawAll() {
  for (const [element, figure] of drawn) drawFigure(element, figure);
}

function offerThemes() {
  const button = document.getElementById('theme');
  const name = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
  button.hidden = false;
  name();
  button.addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    name();
    redrawAll();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { name(); redrawAll(); });
}
