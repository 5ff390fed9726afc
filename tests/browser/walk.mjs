// Walks the pages of a node as a member of staff does, at the width of a phone, a tablet and a PC, and checks each page
// with axe (WCAG 2.2 AA). Exits 0 when every step worked and no page has a violation, 1 otherwise, 2 on wrong usage.
//
//   node walk.mjs --base https://localhost:8443 --name 'Nia Nurse' --pin 271828 --out shots [--resident 'SMITH']
//
// The certificate is not checked: whether browsers trust it is another test's business. HEARTH_CHROMIUM names the
// browser, /usr/bin/chromium where it is not set.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { values: args } = parseArgs({
  options: {
    base: { type: 'string' }, name: { type: 'string' }, pin: { type: 'string' }, out: { type: 'string' },
    resident: { type: 'string' }, 'expect-doses': { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean' },
  },
});
if (args.help || !args.base || !args.name || !args.pin || !args.out) {
  console.error("usage: node walk.mjs --base URL --name 'NAME OF STAFF' --pin PIN --out FOLDER [--resident 'START OF NAME'] [--only phone|tablet|pc] [--expect-doses]");
  process.exit(args.help ? 0 : 2);
}
mkdirSync(args.out, { recursive: true });

const SIZES = {
  phone: { width: 390, height: 844 },
  tablet: { width: 820, height: 1180 },
  pc: { width: 1280, height: 800 },
};
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const faults = [];
let dosesSeen = 0;
const fault = (where, what) => { faults.push(`${where}: ${what}`); console.error(`FAULT ${where}: ${what}`); };

class Walk {
  constructor(size, page) { this.size = size; this.page = page; this.step = 0; }

  // Takes a picture, runs axe, and looks for what a person would stumble over.
  async look(name) {
    const where = `${this.size} ${name}`;
    this.step += 1;
    const file = `${this.size}-${String(this.step).padStart(2, '0')}-${name}.png`;
    await this.page.screenshot({ path: join(args.out, file) });
    await this.page.screenshot({ path: join(args.out, file.replace('.png', '-full.png')), fullPage: true });
    const found = await this.page.evaluate(async (tags) => {
      const result = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
      if (result.passes.length < 10) return [`axe found only ${result.passes.length} rules to check: it did not see the page`];
      return result.violations.map((v) => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(' | ')}`);
    }, RULES);
    for (const violation of found) fault(where, violation);
    const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (overflow > 1) fault(where, `the page is ${overflow} px wider than the window`);
    if (!(await this.page.locator('#strip[role=status]').count())) fault(where, 'no sync strip');
    if (/SMITH|[0-9]{3} ?[0-9]{3} ?[0-9]{4}/.test(await this.page.title())) fault(where, 'the title holds a name or number');
    console.log(`looked at ${where}`);
  }

  async go(path) { await this.page.goto(new URL(path, args.base).href); }
  async open(link) { await link.first().click(); await this.page.waitForLoadState(); }
  async heading(text) { await this.page.getByRole('heading', { name: text }).first().waitFor({ timeout: 8000 }); }

  async signIn() {
    await this.go('/unlock');
    await this.look('unlock');
    await this.open(this.page.getByRole('link', { name: new RegExp(args.name) }));
    await this.look('pin');
    await this.page.locator('#pin').fill('999999');
    await this.open(this.page.getByRole('button', { name: 'Sign in' }));
    await this.page.locator('.nhsuk-error-summary').waitFor();
    await this.look('pin-wrong');
    await this.page.locator('#pin').fill(args.pin);
    await this.open(this.page.getByRole('button', { name: 'Sign in' }));
    await this.heading('Residents');
    await this.look('residents');
  }

  async openRecord() {
    const links = this.page.locator('.hearth-tile__name a');
    const chosen = args.resident ? links.filter({ hasText: args.resident }) : links;
    await this.open(chosen);
    await this.page.locator('.hearth-banner').waitFor();
    this.record = new URL(this.page.url()).pathname;
    this.resident = this.record.split('/')[2];
    await this.look('record');
    await this.page.mouse.wheel(0, 1500);
    await this.page.waitForTimeout(200);
    const top = await this.page.locator('.hearth-banner').evaluate((banner) => banner.getBoundingClientRect().top);
    if (Math.abs(top) > 1) fault(`${this.size} record`, `the banner scrolled away (${top})`);
  }

  async observation() {
    await this.go(`${this.record}/obs/new`);
    await this.look('observation');
    await this.page.locator('#rate').fill('22');
    await this.page.locator('#pulse').fill('1120');
    await this.open(this.page.getByRole('button', { name: 'Save observations' }));
    await this.page.locator('.nhsuk-error-summary').waitFor();
    if ((await this.page.locator('#rate').inputValue()) !== '22') fault('observation', 'what was typed is lost');
    const focused = await this.page.evaluate(() => document.activeElement?.className ?? '');
    if (!focused.includes('nhsuk-error-summary')) fault('observation', 'the error summary has no focus');
    await this.look('observation-wrong');
    const set = { rate: '22', saturation: '93', systolic: '104', diastolic: '60', pulse: '112', temperature: '38.4' };
    for (const [field, value] of Object.entries(set)) await this.page.locator(`#${field}`).fill(value);
    await this.page.getByLabel('Air', { exact: true }).check();
    await this.page.getByLabel('Alert', { exact: true }).check();
    await this.open(this.page.getByRole('button', { name: 'Save observations' }));
    await this.heading(/Observations saved/);
    await this.page.getByText('NEWS2 8').first().waitFor({ timeout: 5000 });
    await this.look('observation-saved');
  }

  async trends() {
    for (const [form, fill] of [
      ['soft-signs', async () => { await this.page.getByLabel(/Moving less/).check(); await this.page.locator('#text').fill('Slower than usual.'); }],
      ['weight', async () => { await this.page.locator('#weight').fill('61.5'); }],
      ['fluid', async () => { await this.page.getByLabel('Drunk', { exact: true }).check(); await this.page.locator('#amount').fill('200'); }],
    ]) {
      await this.go(`${this.record}/${form}/new`);
      await this.look(form);
      await fill();
      await this.open(this.page.getByRole('button', { name: /^Save/ }));
      await this.heading(/[Ss]aved/);
    }
    await this.page.getByText('Show as a table, newest first').click();
    await this.look('observations');
    await this.open(this.page.getByRole('link', { name: '24 hours' }));
    await this.look('observations-day');
  }

  async note() {
    await this.go(`${this.record}/notes/new`);
    await this.look('note');
    await this.page.getByLabel('Food', { exact: true }).check();
    await this.page.locator('#text').fill(`Ate her soup, seen on the ${this.size}.`);
    await this.open(this.page.getByRole('button', { name: 'Save note' }));
    await this.heading('Note saved');
    await this.page.getByText(`seen on the ${this.size}`).first().waitFor();
    await this.look('note-saved');
  }

  async allergy() {
    await this.go(`${this.record}/allergies/new`);
    await this.look('allergy');
    await this.page.locator('#substance').fill(`Plasters, found on the ${this.size}`);
    await this.page.locator('#reaction').fill('itching');
    await this.page.getByLabel('Mild', { exact: true }).check();
    await this.open(this.page.getByRole('button', { name: 'Save allergy' }));
    await this.heading('Allergy saved');
    await this.page.locator('.hearth-allergies', { hasText: 'Plasters' }).waitFor();
    await this.look('allergy-saved');
  }

  // Gives, or records why not, whatever waits; a home where nothing is due shows only the pages.
  async dose() {
    await this.go('/round');
    await this.look('round');
    await this.go(`/round/${this.resident}`);
    await this.look('round-resident');
    const reason = this.page.getByRole('link', { name: /^Not given/ });
    if (await reason.count()) {
      await this.open(reason);
      await this.look('not-given');
      await this.go(`/round/${this.resident}`);
    }
    const given = this.page.locator('.hearth-dose', { hasNotText: 'witness' }).getByRole('button', { name: /^Given/ });
    const waiting = await given.count();
    if (waiting) {
      dosesSeen += 1;
      await given.first().click();
      await this.page.waitForFunction((before) => {
        const cards = [...document.querySelectorAll('.hearth-dose')].filter((c) => !c.textContent.includes('witness'));
        const left = cards.filter((c) => [...c.querySelectorAll('button')].some((b) => b.textContent.startsWith('Given'))).length;
        return left < before || document.querySelector('.hearth-warning--stop h1');
      }, waiting, { timeout: 8000 });
      await this.look('dose-given');
    }
    const prn = this.page.getByRole('link', { name: /^Give / });
    if (await prn.count()) {
      await this.open(prn);
      await this.look('prn');
    }
  }

  async end() {
    await this.go('/status');
    await this.look('status');
    const strip = await this.page.locator('#strip').innerText();
    if (!/hub/i.test(strip)) fault(`${this.size} strip`, `does not speak of the hub: ${strip}`);
    console.log(`strip: ${strip.replace(/\s+/g, ' ')}`);
    await this.go('/nothing-here');
    await this.look('not-found');
    await this.open(this.page.getByRole('button', { name: 'Lock or switch' }));
    await this.page.waitForURL(/\/unlock/);
    await this.go(this.record);
    await this.page.waitForURL(/\/unlock/);
  }
}

const browser = await chromium.launch({
  executablePath: process.env.HEARTH_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  for (const [size, viewport] of Object.entries(SIZES).filter(([name]) => !args.only || name === args.only)) {
    const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true, locale: 'en-GB' });
    await context.addInitScript({ content: axe });
    const page = await context.newPage();
    page.setDefaultTimeout(10000);
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== new URL(args.base).origin) fault(size, `asks another machine: ${request.url()}`);
    });
    page.on('pageerror', (error) => fault(size, `script error: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of (404|422|409)/.test(message.text())) fault(size, `console: ${message.text()}`);
    });
    const walk = new Walk(size, page);
    const steps = ['signIn', 'openRecord', 'observation', 'trends', 'note', 'allergy', 'dose', 'end'];
    for (const step of steps) {
      try {
        await walk[step]();
      } catch (error) {
        fault(`${size} ${step}`, error.message.split('\n')[0]);
        await page.screenshot({ path: join(args.out, `${size}-failed-${step}.png`) }).catch(() => {});
        // Without a session or a record there is nothing more to see.
        if (step === 'signIn' || step === 'openRecord') break;
      }
    }
    await context.close();
  }
} finally {
  await browser.close();
}
if (args['expect-doses'] && !dosesSeen) fault('round', 'no dose waited at any size');
if (faults.length) {
  console.error(`${faults.length} faults:\n- ${faults.join('\n- ')}`);
  process.exit(1);
}
console.log('every page walked, no faults');
