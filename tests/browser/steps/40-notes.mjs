// A note by words and by tile, a fall, the body map by figure, list and keyboard, a visit, a task.
export default async function notes(walk) {
  await note(walk);
  await tile(walk);
  await fall(walk);
  await body(walk);
  await visit(walk);
  await task(walk);
}

async function note(walk) {
  await walk.go(`${walk.record}/notes/new`);
  await walk.look('note');
  await walk.page.getByLabel('Food', { exact: true }).check();
  await walk.page.locator('#text').fill(`Ate her soup, seen on the ${walk.size}.`);
  await walk.open(walk.page.getByRole('button', { name: 'Save note' }));
  await walk.heading('Note saved');
  await walk.page.getByText(`seen on the ${walk.size}`).first().waitFor();
  await walk.look('note-saved');
}

// From the home screen: the resident, the tile, the amount.
async function tile(walk) {
  await walk.go('/residents');
  let taps = 0;
  const tap = async (what) => { taps += 1; await walk.open(what); };
  await tap(walk.page.locator(`.hearth-tile__name a[href="${walk.record}"]`));
  await tap(walk.page.locator('.hearth-note-tiles').getByRole('link', { name: 'Drank' }));
  await walk.look('note-tile');
  const small = await walk.page.locator('.hearth-amounts button').evaluateAll((all) => all.filter((b) => b.getBoundingClientRect().height < 48).length);
  if (small) walk.fault('note-tile', `${small} buttons are under 48 px`);
  await tap(walk.page.getByRole('button', { name: 'Half' }));
  await walk.heading('Note saved');
  if (taps > 3) walk.fault('note-tile', `a note took ${taps} taps`);
  await walk.look('notes');
}

async function fall(walk) {
  await walk.go('/residents');
  let taps = 0;
  const tap = async (what) => { taps += 1; await what.first().click(); await walk.page.waitForLoadState(); };
  await tap(walk.page.locator(`.hearth-tile__name a[href="${walk.record}"]`));
  await tap(walk.page.getByRole('link', { name: 'Fall or incident' }));
  await walk.look('incident-new');
  await tap(walk.page.getByLabel('Fall', { exact: true }));
  await tap(walk.page.getByLabel('Corridor', { exact: true }));
  await tap(walk.page.getByRole('group', { name: 'Was the head hit?' }).getByLabel('Not known'));
  await tap(walk.page.getByRole('group', { name: 'Is the person hurt?' }).getByLabel('No', { exact: true }));
  await tap(walk.page.getByRole('button', { name: 'Save and lock' }));
  await walk.heading('Report saved and locked');
  if (taps > 8) walk.fault('incident', `a fall took ${taps} taps`);
  await walk.look('incident');
  await walk.page.locator('#text').fill('Sat up by herself, no pain.');
  await walk.open(walk.page.getByRole('button', { name: 'Add', exact: true }));
  await walk.page.getByText('Sat up by herself').first().waitFor();
  await walk.look('incident-added');
  await walk.go('/manage/incidents');
  await walk.look('incidents');
}

async function body(walk) {
  await walk.go('/residents');
  let taps = 0;
  const tap = async (what) => { taps += 1; await what.first().click(); await walk.page.waitForLoadState(); };
  await tap(walk.page.locator(`.hearth-tile__name a[href="${walk.record}"]`));
  await tap(walk.page.getByRole('link', { name: 'Body map' }));
  await walk.look('body');
  await tap(walk.page.locator('svg').getByRole('link', { name: /^Left shin/ }));
  await walk.look('body-place');
  await tap(walk.page.getByRole('button', { name: 'Bruise' }));
  await walk.heading('Mark saved');
  if (taps > 5) walk.fault('body', `a mark took ${taps} taps`);
  await walk.look('body-marked');
  // The same by keyboard alone: the list of places leads there too.
  const link = walk.page.locator('.hearth-place-list').getByRole('link', { name: /^Left shin/ });
  await link.focus();
  await walk.page.keyboard.press('Enter');
  await walk.heading('Left shin');
  await walk.page.getByRole('button', { name: 'Worse' }).first().focus();
  await walk.page.keyboard.press('Enter');
  await walk.heading('Mark saved');
}

async function visit(walk) {
  await walk.go(`${walk.record}/visits/new`);
  await walk.look('visit-new');
  await walk.page.getByLabel('GP', { exact: true }).check();
  await walk.page.locator('#outcome').fill('Bloods on Friday.');
  await walk.open(walk.page.getByRole('button', { name: 'Save visit' }));
  await walk.heading('Visit saved');
  await walk.look('visits');
}

async function task(walk) {
  await walk.go('/tasks');
  await walk.page.locator('#text').fill(`Ring the optician, from the ${walk.size}`);
  await walk.page.locator('#resident').selectOption(walk.resident);
  await walk.open(walk.page.getByRole('button', { name: 'Add task' }));
  await walk.look('tasks');
  await walk.open(walk.page.getByRole('link', { name: `Ring the optician, from the ${walk.size}` }));
  await walk.look('task');
  await walk.page.locator('#outcome').fill('Comes on Monday.');
  await walk.open(walk.page.getByRole('button', { name: 'Done' }));
  await walk.page.getByText('Comes on Monday.').first().waitFor();
}
