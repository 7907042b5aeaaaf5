// The browser of samples: filters, an order, and a list that grows on request.

const PAGE = 20;

function setUpSamples() {
  const box = document.getElementById('browser');
  if (!box) return;
  const { rows, problems } = readData('samples');
  const samples = rows.map((row) => ({ ...row, about: problems[`${row.run}/${row.problem}`] }));
  const form = box.querySelector('form');
  for (const field of ['run', 'model', 'set', 'family', 'difficulty']) {
    const values = [...new Set(samples.map((sample) => readField(sample, field)).filter((value) => value !== null))];
    const select = form.elements[field];
    select.append(make('option', { value: '' }, 'all'), ...values.map((value) => make('option', {}, value)));
    select.closest('label').hidden = values.length < 2;
  }
  let chosen = [];
  let shown = 0;
  const list = box.querySelector('.list');
  const more = box.querySelector('.more');
  const grow = () => {
    list.append(...chosen.slice(shown, shown + PAGE).map(makeSample));
    shown = Math.min(chosen.length, shown + PAGE);
    more.hidden = shown === chosen.length;
    box.querySelector('.count').textContent = `${count(shown)} of ${count(chosen.length)} samples that fit, of ${count(samples.length)} in this page`;
  };
  const filter = () => {
    chosen = chooseSamples(samples, form);
    shown = 0;
    list.replaceChildren();
    grow();
  };
  form.addEventListener('input', filter);
  form.addEventListener('submit', (event) => event.preventDefault());
  more.addEventListener('click', () => {
    const first = list.children.length;
    grow();
    list.children[first].querySelector('summary').focus();
  });
  filter();
}

function readField(sample, field) {
  return field === 'run' || field === 'model' ? sample[field] : sample.about[field];
}

function chooseSamples(samples, form) {
  const outcomes = new Set([...form.querySelectorAll('[name=outcome]:checked')].map((box) => box.value));
  const fields = ['run', 'model', 'set', 'family', 'difficulty'].filter((field) => form.elements[field].value);
  const least = form.elements.least.value === '' ? -Infinity : Number(form.elements.least.value);
  const most = form.elements.most.value === '' ? Infinity : Number(form.elements.most.value);
  const text = form.elements.text.value.toLowerCase();
  const fits = samples.filter((sample) => outcomes.has(sample.outcome)
    && fields.every((field) => readField(sample, field) === form.elements[field].value)
    && sample.tokens >= least && sample.tokens <= most
    && (!text || holds(sample, text)));
  const order = form.elements.order.value;
  if (order) fits.sort((a, b) => (order === 'short' ? a.tokens - b.tokens : b.tokens - a.tokens));
  return fits;
}

function holds(sample, text) {
  return [sample.problem, sample.about.statement, ...sample.parts.filter((part) => typeof part === 'string')]
    .some((part) => part && part.toLowerCase().includes(text));
}

function makeSample(sample) {
  const answer = sample.answer === null ? 'no answer' : `answer ${sample.answer}`;
  const tokens = sample.tokens === null || sample.tokens < 0 ? '' : `${count(sample.tokens)} tokens`;
  const summary = make('summary', {},
    makeBadge(sample.outcome),
    make('span', { class: 'id' }, sample.problem),
    make('span', {}, sample.answer === null ? '' : answer),
    make('span', { class: 'facts' }, [sample.run, sample.model, `sample ${sample.sample}`, tokens].filter(Boolean).join(' · ')));
  const details = make('details', {}, summary);
  // The text is made when it is opened: a page of long traces would otherwise be slow.
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(makeBody(sample));
  });
  return make('li', { class: 'sample' }, details);
}

function makeBody(sample) {
  const kinds = ['set', 'family', 'difficulty'].map((kind) => sample.about[kind]).filter(Boolean).join(', ');
  return make('div', { class: 'body' },
    make('p', { class: 'statement' }, sample.about.statement || 'The problem was not kept.'),
    make('p', { class: 'facts' }, `Right is ${sample.about.gold}${kinds ? ` (${kinds})` : ''}. Of ${sample.tokens} tokens ${sample.reasoning} are reasoning.`),
    makeTrace(sample.parts));
}

// Text, the box as a mark, and a line where characters are left out.
function makeTrace(parts) {
  const nodes = parts.map((part) => {
    if (typeof part === 'number') return make('span', { class: 'gap' }, `${count(part)} characters are left out here`);
    if (Array.isArray(part)) return make('mark', { title: 'the box that is read' }, part[0]);
    return part;
  });
  return make('div', { class: 'trace', tabindex: '0', role: 'region', 'aria-label': 'text of the sample' }, ...(nodes.length ? nodes : ['The text was not kept.']));
}
