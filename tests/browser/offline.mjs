// A tablet that loses its node in the middle of a round. Whoever starts this cuts the node when a line `cut` or `stop`
// comes, and lets it go on at `back` and `go`; an answer on standard input says that it is done. Exits 0 when every promise held.
//
//   node offline.mjs --base https://localhost:8443 --name 'Nia Nurse' --pin 271828 --out shots
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { values: args } = parseArgs({ options: { base: { type: 'string' }, name: { type: 'string' }, pin: { type: 'string' }, out: { type: 'string' } } });
mkdirSync(args.out, { recursive: true });
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = async (what) => { console.log(what); await answers.next(); };
const figure = (name, ms) => console.log(`figure ${name} ${Math.round(ms)} ms`);

// The certificate is the region's own: a tablet has it installed, this browser is told to trust it.
const browser = await chromium.launch({ executablePath: process.env.HEARTH_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--ignore-certificate-errors'] });
const tablet = async () => {
  const context = await browser.newContext({ viewport: { width: 820, height: 1180 }, locale: 'en-GB', timezoneId: 'Europe/London' });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('pageerror', (error) => { console.error(`script error: ${error.message}`); process.exitCode = 1; });
  await page.goto(`${args.base}/unlock`);
  await page.waitForFunction(() => navigator.serviceWorker?.controller);
  await page.getByRole('link', { name: new RegExp(args.name) }).first().click();
  await page.locator('#pin').fill(args.pin);
  if (new URL(page.url()).pathname !== '/') await page.getByRole('button', { name: 'Sign in' }).click().catch(() => {});
  await page.waitForURL((url) => !url.pathname.startsWith('/unlock'));
  return page;
};
const shot = (page, name) => page.screenshot({ path: join(args.out, `${name}.png`), fullPage: true });
const given = (page) => page.locator('.hearth-dose', { has: page.locator('input[name=may_wait]') });
const settle = (page) => page.waitForFunction(() => document.documentElement.dataset.away === 'yes');
const swaps = (page) => page.evaluate(async () => {
  const { port1, port2 } = new MessageChannel();
  const told = new Promise((resolve) => { port1.onmessage = (e) => resolve(e.data); });
  navigator.serviceWorker.controller.postMessage({ list: true }, [port2]);
  return (await told).queue;
});

try {
  const one = await tablet();
  // A resident with a dose that may wait.
  await one.goto(`${args.base}/round`);
  await settle(one);
  const rounds = await one.locator('main a[href^="/round/"]').evaluateAll((links) => [...new Set(links.map((a) => a.getAttribute('href')))]);
  let round;
  for (const path of rounds) {
    await one.goto(args.base + path);
    if (await given(one).count()) { round = path; break; }
  }
  assert(round, 'no dose is due that may wait');
  await settle(one);
  const resident = round.split('/')[2];
  await one.goto(`${args.base}/r/${resident}/notes/new`);
  await settle(one);
  await one.goto(args.base + round);
  await settle(one);
  await one.waitForTimeout(800);
  const id = await given(one).first().getAttribute('id');
  const line = await one.locator(`#${id} .hearth-medicine`).innerText();

  // The second tablet signs in while it can, and does not open the round before the first has let go of it.
  await order('cut');
  const tapped = performance.now();
  await one.locator(`#${id}`).getByRole('button', { name: /^Given/ }).click();
  const saved = one.locator(`#${id}`, { hasText: 'Saved on this tablet' });
  await saved.waitFor();
  figure('tap to saved on this tablet, node killed', performance.now() - tapped);
  assert.equal(await one.locator(`#${id} .hearth-medicine`).innerText(), line, 'the medicine line stays (MEDi-054)');
  assert.equal(await one.locator(`#${id} button`).count(), 0);
  await one.locator('#away', { hasText: /Not connected since \d\d:\d\d - 1 saved on this tablet/ }).waitFor();
  await shot(one, 'saved');

  // A reload while cut off: the page as it was, with its age, and the dose still marked.
  await one.reload();
  await one.getByText(/This is what the screen showed at \d\d:\d\d; not live/).waitFor();
  await saved.waitFor();
  assert.equal(await one.locator(`#${id} button`).count(), 0, 'a queued dose shows Given again after a reload');
  await shot(one, 'reloaded');
  // Nor is it taken a second time where somebody gets past the mark.
  const again = await one.evaluate(async ({ path, dose }) => {
    const [, o, d] = dose.match(/^dose-(.+)-(\d+)$/);
    const answer = await fetch(path, { method: 'POST', body: new URLSearchParams({ order: o, due: d, key: crypto.randomUUID(), may_wait: 'yes' }), headers: { 'hx-request': 'true' } });
    return answer.headers.get('x-hearth');
  }, { path: `${round}/given`, dose: id });
  assert.equal(again, 'refused');

  // Two notes from one kept page are two notes.
  for (const words of ['Cut off: first', 'Cut off: second']) {
    await one.goto(`${args.base}/r/${resident}/notes/new`);
    await one.locator('input[name=kind]').first().check({ force: true });
    await one.locator('textarea[name=text]').fill(words);
    await one.locator('main form button[type=submit]').click();
    await one.getByRole('heading', { name: 'Saved on this tablet' }).waitFor();
  }
  // What may not wait is refused in words.
  const refused = await one.evaluate(async (id) => (await fetch(`/r/${id}/medicines/new`, { method: 'POST', body: new URLSearchParams({ key: crypto.randomUUID() }) })).text(), resident);
  assert.match(refused, /NOT saved/);
  await one.goto(`${args.base}/r/0190aaaa-0000-7000-8000-00000000ffff`);
  await one.getByText('was not opened here').waitFor();
  await one.goto(`${args.base}/outbox`);
  await one.getByText('3 not sent yet').waitFor();
  assert(!(await one.locator('#outbox').innerText()).match(/Cut off|first/), 'the list says what for whom, not what was typed');
  await shot(one, 'outbox');
  assert((await swaps(one)).every((e) => !JSON.stringify(e).includes('Cut off')));

  // Locked out of reach: nothing that was seen opens any more, what was saved stays.
  await one.goto(args.base + round);
  await one.getByRole('button', { name: 'Lock or switch' }).click();
  await one.getByRole('heading', { name: 'Locked' }).waitFor();
  await one.goto(args.base + round);
  await one.getByRole('heading', { name: 'Locked' }).waitFor();
  await shot(one, 'locked');
  assert.equal((await swaps(one)).filter((e) => e.state === 'waiting').length, 3);

  await order('back');
  await one.goto(`${args.base}/outbox`);
  const back = performance.now();
  await one.getByText('Everything is sent').waitFor({ timeout: 30000 });
  figure('node back to everything sent', performance.now() - back);
  await one.goto(args.base + round);
  assert.match(one.url(), /unlock/, 'the session of a screen that was locked out of reach has ended');

  const two = await tablet();
  await two.goto(args.base + round);
  const row = two.locator(`#${id}`);
  assert.match(await row.innerText(), /Given/);
  assert.doesNotMatch(await row.innerText(), /twice/);
  assert.equal(await row.getByRole('button').count(), 0);
  await two.goto(`${args.base}/r/${resident}/notes`);
  for (const words of ['Cut off: first', 'Cut off: second']) assert.equal(await two.getByText(words).count(), 1, words);
  await shot(two, 'replayed');

  // Frozen, not dead: packets go nowhere. The tap is saved all the same, and sent once.
  for (const path of rounds) {
    await two.goto(args.base + path);
    if (await given(two).count()) break;
  }
  await settle(two);
  assert(await given(two).count(), 'no second dose is due that may wait');
  {
    await two.waitForTimeout(800);
    const other = await given(two).first().getAttribute('id');
    await order('stop');
    await two.locator(`#${other}`).getByRole('button', { name: /^Given/ }).click();
    await two.locator(`#${other}`, { hasText: 'Saved on this tablet' }).waitFor();
    await order('go');
    await two.waitForFunction((id) => /Given/.test(document.getElementById(id)?.innerText ?? '') && !/Saved on this tablet/.test(document.getElementById(id).innerText), other, { timeout: 30000 });
    assert.doesNotMatch(await two.locator(`#${other}`).innerText(), /twice/);
  }
  console.log('every promise held');
} catch (error) {
  for (const [n, page] of browser.contexts().flatMap((c) => c.pages()).entries()) { await shot(page, `failed-${n}`).catch(() => {}); console.error(page.url()); }
  console.error(error.stack);
  process.exitCode = 1;
} finally {
  await browser.close();
  process.exit(process.exitCode ?? 0);
}
