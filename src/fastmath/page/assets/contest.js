// The contest: its timeline, and a question opened with its votes over time and what other rules would have done.

const NARROW = 600; // pixels

function setUpContest(box) {
  const data = readData(`contest-${box.dataset.contest}`);
  const element = box.querySelector('.figure');
  const select = box.querySelector('.question');
  const opened = box.querySelector('.opened');
  const marks = { right: '✓', wrong: '✗', 'no vote': '–', 'not known': '·' };
  select.append(...data.questions.map((question, place) => make('option', { value: place },
    `${place + 1}. ${question.id} ${marks[question.verdict]} ${question.verdict}`)));
  const open = (place) => {
    select.value = place;
    box.querySelector('.before').disabled = place === 0;
    box.querySelector('.after').disabled = place === data.questions.length - 1;
    showQuestion(opened, data.questions[place], data.rules);
  };
  select.addEventListener('change', () => open(Number(select.value)));
  box.querySelector('.before').addEventListener('click', () => open(Number(select.value) - 1));
  box.querySelector('.after').addEventListener('click', () => open(Number(select.value) + 1));
  whenSeen(element, () => {
    if (element.clientWidth < NARROW) nameByNumber(data.figure.layout.yaxis);
    drawFigure(element, data.figure).then(() => {
      element.on('plotly_click', (event) => {
        const place = parseInt(event.points[0].y, 10); // a row begins with its number
        if (event.points[0].data.meta?.of === 'questions') open(place - 1);
      });
    });
    open(0);
  });
}

// On a phone the names of questions would leave no room for their bars.
function nameByNumber(axis) {
  const rows = axis.categoryarray;
  Object.assign(axis, { tickmode: 'array', tickvals: rows, ticktext: rows.map((row) => parseInt(row, 10)) });
}

function showQuestion(opened, question, rules) {
  opened.querySelectorAll('.votes').forEach(forgetFigure);
  const gold = question.gold === null ? '' : ` Right is ${question.gold}.`;
  const parts = [
    make('h4', {}, `${question.id}: answered ${question.answer}, ${question.verdict}`),
    make('p', { class: 'statement' }, question.text || 'The question was not kept.'),
    make('p', {}, `${question.why}${gold} ${question.samples} samples wrote ${count(question.tokens)} tokens.`),
    question.error ? make('p', { class: 'absent' }, question.error) : null,
  ];
  const charts = [];
  if (question.votes.length) charts.push(makeVotes('Votes over time', drawnVotes(question), question.gold));
  if (question.recorded.length) {
    const [x, votes] = [question.recorded.map((each) => each[0]), question.recorded.map((each) => each[1])];
    charts.push(makeVotes('Recorded votes, by the tokens of their samples', { x, votes, title: 'tokens of a sample', lines: [] }, question.gold));
  }
  opened.replaceChildren(...parts.filter(Boolean), make('div', { class: 'grid' }, ...charts.map((chart) => chart.box)), ...makeRules(question, rules));
  charts.forEach((chart) => drawFigure(chart.element, chart.figure));
}

// By seconds where the journal has them, and in their order where it was written before it had.
function drawnVotes(question) {
  const timed = (question.vote_seconds || []).length === question.votes.length;
  if (!timed) return { x: question.votes.map((_, place) => place + 1), votes: question.votes, title: 'vote', lines: [] };
  const lines = [['even share', question.share_seconds], ['answered', question.seconds], ['deadline', question.deadline_seconds]];
  return { x: question.vote_seconds, votes: question.votes, title: 'seconds of the question', lines };
}

// How many votes each answer had by then, the answers with the most votes first; all but five are drawn as one.
function makeVotes(title, { x, votes, title: axis, lines }, gold) {
  const totals = new Map();
  votes.forEach((vote) => totals.set(vote, (totals.get(vote) || 0) + 1));
  const answers = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a));
  const end = Math.max(...x, ...lines.filter(([name]) => name === 'answered').map(([, at]) => at));
  const colours = style.colours.filter((colour) => colour !== style.right);
  const dashes = ['solid', 'dash', 'dot', 'dashdot', 'longdash'];
  const data = answers.slice(0, 5).map((answer, place) => {
    const times = x.filter((_, vote) => votes[vote] === answer);
    return {
      x: [0, ...times, end], y: [0, ...times.map((_, earlier) => earlier + 1), times.length], mode: 'lines', name: answer === gold ? `${answer}, right` : `${answer}`,
      line: { shape: 'hv', width: answer === gold ? 3 : 1.8, color: answer === gold ? style.right : colours[place % colours.length], dash: dashes[place] },
      hovertemplate: `%{y} votes for ${answer}<extra></extra>`, showlegend: true,
    };
  });
  const layout = {
    height: 250, margin: { l: 40, r: 12, t: 28, b: 40 }, hovermode: 'x unified', legend: { orientation: 'h', y: 1, yanchor: 'bottom' },
    xaxis: { title: { text: axis }, rangemode: 'tozero' }, yaxis: { rangemode: 'tozero', dtick: Math.max(1, Math.ceil(Math.max(...totals.values()) / 6)) },
    shapes: lines.map(([name, at]) => ({ type: 'line', x0: at, x1: at, y0: 0, y1: 1, yref: 'paper', line: { width: 1, dash: name === 'answered' ? 'solid' : 'dot', color: '#8c8c8c' } })),
    annotations: lines.map(([name, at], place) => ({ x: at, y: 1 - 0.11 * place, yref: 'paper', text: name, showarrow: false, xanchor: 'right', yanchor: 'top', font: { size: 10 } })),
  };
  const element = make('div', { class: 'figure votes', role: 'img', 'aria-label': `${title}: ${answers.slice(0, 5).map((answer) => `${totals.get(answer)} for ${answer}`).join(', ')}` });
  const left = answers.length - 5;
  const note = left > 0 ? make('p', { class: 'note' }, `${count(left)} more answers, of at most ${totals.get(answers[5])} votes each, are not drawn.`) : null;
  return { element, figure: { data, layout }, box: make('div', {}, make('h4', {}, title), element, note) };
}

function makeRules(question, rules) {
  if (!question.rules.length) return [];
  const head = make('tr', {}, ...['rule', 'answer', 'stopped, because', 'samples', 'votes', 'tokens', 'engine steps'].map((name) => make('th', { scope: 'col' }, name)));
  const rows = question.rules.map((rule) => make('tr', {},
    make('th', { scope: 'row', title: rules[rule.rule] }, rule.rule),
    make('td', { class: 'number' }, makeVerdict(rule)),
    make('td', {}, rule.why),
    ...[rule.samples, rule.votes, rule.tokens, rule.steps].map((number) => make('td', { class: 'number' }, count(number)))));
  return [
    make('h4', {}, 'What other rules would have done'),
    make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'what other rules would have done' },
      make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows))),
  ];
}

function makeVerdict(rule) {
  if (rule.answer === null) return make('span', { class: 'badge', 'data-outcome': 'no answer' }, '– no vote');
  return make('span', { class: 'badge', 'data-outcome': rule.right ? 'right' : 'wrong' }, `${rule.right ? '✓' : '✗'} ${rule.answer}`);
}
