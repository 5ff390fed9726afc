// The main path by keyboard alone: signing in, a resident, a note, observations, a dose. Every stop of the Tab key must be
// seen, and what is wanted must be within reach. Exits 0 when all of it works, 1 otherwise, 2 on wrong usage.
//
//   node keyboard.mjs --base https://localhost:8443 --name 'Nia Nurse' --pin 271828 --out shots
import { join } from 'node:path';
import { faultList, launch, openPage, readArguments } from './common.mjs';

const args = readArguments('keyboard.mjs');
const { fault, end } = faultList();
// A record has many links; nothing that is done often may be further away than this.
const STOPS_MAX = 60;

// Presses Tab until the wanted element has the focus, and looks at each stop.
async function tabTo(page, what, wanted) {
  for (let stops = 1; stops <= STOPS_MAX; stops += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      const label = element.labels?.[0]?.innerText;
      const ringed = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
      const shown = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < window.innerHeight;
      return { id: element.id, name: (label ?? element.innerText ?? element.value ?? '').trim(), ringed, shown };
    });
    if (!stop) continue;
    // Radio buttons and boxes of the design system draw the ring on their label.
    const drawn = stop.ringed || (await page.evaluate(() => ['radio', 'checkbox'].includes(document.activeElement.type)));
    if (!drawn) fault(what, `the focus on “${stop.name}” is not seen`);
    if (!stop.shown) fault(what, `the focus on “${stop.name}” is out of sight`);
    if (wanted.id ? stop.id === wanted.id : wanted.name.test(stop.name)) return;
  }
  await page.screenshot({ path: join(args.out, `keyboard-lost-${what.replace(/\W+/g, '-')}.png`) });
  throw new Error(`${what}: not reached with ${STOPS_MAX} presses of Tab`);
}

async function type(page, id, text) {
  await tabTo(page, id, { id });
  await page.keyboard.type(text);
}

async function press(page, name) {
  await tabTo(page, String(name), { name });
  await Promise.all([page.waitForLoadState(), page.keyboard.press('Enter')]);
  await page.waitForTimeout(300);
}

const go = (page, path) => page.goto(new URL(path, args.base).href);

const browser = await launch();
try {
  const page = await openPage(browser, args, { viewport: { width: 1280, height: 800 } }, fault, 'keyboard');
  await go(page, '/unlock');
  await press(page, new RegExp(args.name));
  // The field for the PIN has the focus already: whoever signs in types at once.
  await page.keyboard.type(args.pin);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => !url.pathname.startsWith('/unlock'));

  await go(page, '/residents');
  const first = await page.locator('.hearth-tile__name a').first().innerText();
  await press(page, new RegExp(first.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  await page.locator('.hearth-banner').waitFor();
  const record = new URL(page.url()).pathname;

  await go(page, `${record}/notes/new`);
  await tabTo(page, 'kind of note', { name: /^General/ });
  await page.keyboard.press('Space');
  await type(page, 'text', 'Written without a mouse.');
  await press(page, /^Save note/);
  await page.getByText('Written without a mouse.').first().waitFor();

  await go(page, `${record}/obs/new`);
  await type(page, 'rate', '22');
  await press(page, /^Save observations/);
  await page.getByText('Observations saved').first().waitFor();

  await go(page, `/round/${record.split('/')[2]}`);
  const waiting = await page.getByRole('button', { name: /^Given/ }).count();
  if (waiting) {
    await tabTo(page, 'Given', { name: /^Given/ });
    await page.keyboard.press('Enter');
    await page.waitForTimeout(1500);
  } else {
    fault('round', 'no dose waited');
  }
  await page.screenshot({ path: join(args.out, 'keyboard-end.png') });
} catch (error) {
  fault('keyboard', error.message.split('\n')[0]);
} finally {
  await browser.close();
}
end('the main path was walked by keyboard alone');
