// The completions of a step of GRPO with what they earned.

// Shows those of the last kept step that is not after `step`, run by run.
function setUpCompletions(box) {
  const data = readData('completions');
  const list = box.querySelector('.completions');
  if (!data || !list) return () => {};
  const outcome = box.querySelector('[name=completion-outcome]');
  let current = 0;
  const show = (step) => {
    current = step;
    list.replaceChildren(...Object.entries(data).map(([run, steps]) => makeStep(run, steps, step, outcome.value)));
  };
  outcome.addEventListener('change', () => show(current));
  return show;
}

function makeStep(run, steps, step, outcome) {
  const found = steps.findLast(([kept]) => kept <= step);
  if (!found) return make('p', { class: 'note' }, `${run}: no completions are kept of a step up to ${count(step)}.`);
  const [kept, completions] = found;
  const fitting = completions.filter((each) => !outcome || each.outcome === outcome);
  return make('div', {},
    make('h4', {}, `${run}, step ${count(kept)}: ${fitting.length} of ${completions.length} kept completions`),
    make('ol', { class: 'list' }, ...fitting.map(makeCompletion)));
}

function makeCompletion(completion) {
  const rewards = Object.entries(completion.rewards).map(([name, value]) => `${name.replaceAll('_', ' ')} ${write(value)}`);
  const summary = make('summary', {},
    makeBadge(completion.outcome),
    make('span', {}, completion.answer === null ? 'no answer' : `answer ${completion.answer}`),
    make('span', { class: 'facts' }, `reward ${write(completion.reward)} · ${count(completion.tokens)} tokens`));
  const details = make('details', {}, summary);
  details.addEventListener('toggle', () => {
    if (!details.open || details.children.length > 1) return;
    details.append(make('div', { class: 'body' },
      make('p', { class: 'statement' }, completion.statement),
      make('p', { class: 'facts' }, `Right is ${completion.gold}. Rewards without their weights: ${rewards.join(', ')}.`),
      makeTrace(completion.parts)));
  });
  return make('li', { class: 'sample' }, details);
}
