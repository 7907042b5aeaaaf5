// Making elements and reading data. Whatever a model wrote becomes text of a node, and never markup.

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function readData(name) {
  const element = document.getElementById(`data-${name}`);
  return element ? JSON.parse(element.textContent) : null;
}

function count(number) {
  return number.toLocaleString('en');
}

// Four digits, or per cent of a share; a hole is a dash.
function write(value, unit = '') {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (unit === 'share') return `${(100 * value).toFixed(1)} %`;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return value.toLocaleString('en', { maximumSignificantDigits: 4 });
}

const MARKS = { right: '✓', wrong: '✗', 'no answer': '–', cut: '✂', 'not judged': '?' };

function makeBadge(outcome) {
  return make('span', { class: 'badge', 'data-outcome': outcome }, `${MARKS[outcome]} ${outcome}`);
}
