// The curves of trainings: smoothing, logarithmic axes, and the values of one step.

const ARRAYS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };

// Numbers as plotly writes them: an array, or the bytes of one in base64.
function unpack(values) {
  if (!values || !values.bdata) return values || [];
  const bytes = Uint8Array.from(atob(values.bdata), (letter) => letter.charCodeAt(0));
  return new ARRAYS[values.dtype](bytes.buffer);
}

function setUpCurves(box) {
  const data = readData(`curves-${box.dataset.curves}`);
  const figure = { data: data.figure.data, layout: data.figure.layout };
  const element = box.querySelector('.figure');
  const lines = figure.data.filter((trace) => trace.meta && trace.meta.of === 'values')
    .map((trace) => ({ ...trace.meta, x: unpack(trace.x), y: unpack(trace.y) }));

  const smoothing = box.querySelector('.smoothing');
  const smooth = () => {
    const window = data.windows[smoothing.value];
    smoothing.previousElementSibling.textContent = window === 1 ? '1 step' : `${count(window)} steps`;
    smoothing.setAttribute('aria-valuetext', `${window} steps`);
    data.places.forEach((place, position) => { figure.data[place].y = data.smoothed[smoothing.value][position]; });
  };
  smooth();
  smoothing.addEventListener('input', () => { smooth(); drawFigure(element, figure); });

  const setScale = (axis, checked) => { figure.layout[axis].type = checked ? 'log' : 'linear'; };
  box.querySelector('.log-steps').addEventListener('change', (event) => {
    setScale('xaxis', event.target.checked);
    drawFigure(element, figure);
  });
  box.querySelector('.log-values').addEventListener('change', (event) => {
    data.panels.forEach((panel, place) => { if (panel.log) setScale(`yaxis${place + 2}`, event.target.checked); });
    drawFigure(element, figure);
  });
  const shapes = figure.layout.shapes || [];
  const markStep = (step) => {
    const line = { type: 'line', x0: step, x1: step, y0: 0, y1: 1, yref: 'paper', line: { width: 1.5, color: '#8c8c8c' } };
    figure.layout.shapes = [...shapes, line];
    drawFigure(element, figure);
  };
  const showStep = setUpSteps(box, data.panels, lines, markStep);
  whenSeen(element, () => drawFigure(element, figure).then(() => {
    element.on('plotly_click', (event) => showStep(event.points[0].x));
  }));
}

// The table of a step's values, for fingers, keys and screen readers: what pointing at the figure tells a mouse.
// `markStep` draws a line where the slider was let go; the function that is returned goes to the step nearest to another.
function setUpSteps(box, panels, lines, markStep) {
  const slider = box.querySelector('.steps');
  const steps = [...new Set(lines.flatMap((line) => [...line.x]))].sort((a, b) => a - b);
  const runs = [...new Set(lines.map((line) => line.run))];
  const found = new Map(lines.map((line) => [`${line.run}/${line.metric}`, new Map([...line.x].map((step, place) => [step, line.y[place]]))]));
  const table = box.querySelector('.values');
  const showCompletions = setUpCompletions(box);
  const show = () => {
    const step = steps[slider.value];
    slider.previousElementSibling.textContent = count(step);
    slider.setAttribute('aria-valuetext', `step ${step}`);
    const head = make('tr', {}, make('th', { scope: 'col' }, 'quantity'), ...runs.map((run) => make('th', { scope: 'col' }, run)));
    const rows = panels.map((panel) => make('tr', {},
      make('th', { scope: 'row', title: panel.about }, panel.title),
      ...runs.map((run) => {
        const value = found.get(`${run}/${panel.metric}`)?.get(step);
        const unit = panel.unit && panel.unit !== 'share' && value !== undefined ? ` ${panel.unit}` : '';
        return make('td', { class: 'number' }, write(value, panel.unit), make('small', {}, unit));
      })));
    table.replaceChildren(make('thead', {}, head), make('tbody', {}, ...rows));
    showCompletions(step);
  };
  // The last step that has the first quantity: trainers log a last row of their own, which has few.
  const last = lines[0].x[lines[0].x.length - 1];
  slider.max = steps.length - 1;
  slider.value = steps.indexOf(last);
  slider.addEventListener('input', show);
  slider.addEventListener('change', () => markStep(steps[slider.value]));
  show();
  return (step) => {
    const nearest = steps.reduce((best, each, place) => (Math.abs(each - step) < Math.abs(steps[best] - step) ? place : best), 0);
    slider.value = nearest;
    show();
    markStep(steps[nearest]);
  };
}
