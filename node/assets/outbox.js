// A page of a tablet that may lose its node: says so in words, marks what is saved here and not sent, and has it sent.
(() => {
  'use strict';
  const page = document.documentElement;
  const state = document.getElementById('outbox-state');
  const say = (words) => { if (state) state.textContent = words; };
  if (!navigator.serviceWorker || !window.isSecureContext || !crypto.subtle) {
    say('This tablet cannot work out of reach of the node: its browser does not trust the node’s certificate, or is too old. Have the site’s certificate installed on it, then open this page again.');
    return;
  }
  const clock = (at) => new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  const node = (tag, words, className) => {
    const made = document.createElement(tag);
    if (words) made.textContent = words;
    if (className) made.className = className;
    return made;
  };
  const worker = () => navigator.serviceWorker.controller;
  const ask = (what) => new Promise((resolve) => {
    if (!worker()) { resolve(null); return; }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event) => resolve(event.data);
    worker().postMessage(what, [port2]);
    setTimeout(() => resolve(null), 10000);
  });

  // Where the tablet stands, in words, under the strip of the page.
  const strip = document.getElementById('strip');
  const own = node('div', '', 'hearth-strip hearth-strip--alarm');
  own.id = 'away';
  own.setAttribute('role', 'status');
  const inner = own.appendChild(node('div', '', 'hearth-strip__inner'));
  own.hidden = true;
  strip?.after(own);
  let since = page.dataset.seen ? Date.now() : null;
  let queue = [];
  let synced = null;
  const open = (e) => e.state === 'waiting' || e.state === 'unread';
  const show = () => {
    const kept = queue.filter(open).length;
    const saved = kept ? `${kept} saved on this tablet` : '';
    const words = since ? [`✕ Not connected since ${clock(since)}`, saved].filter(Boolean).join(' - ') : saved && `▲ ${saved}, being sent`;
    own.hidden = !words;
    if (strip) strip.hidden = Boolean(since);
    if (inner.textContent === words) return;
    inner.replaceChildren(node('span', words, 'hearth-strip__state'));
    if (words) {
      const more = node('a', 'Look', 'hearth-tap');
      more.href = '/outbox';
      more.setAttribute('aria-label', 'Look at what is saved on this tablet');
      inner.append(' ', more);
    }
  };

  // A dose that is saved here never shows as one that was not given. The medicine stays as it is; only the state changes.
  const seenAt = Number(page.dataset.seen || 0);
  const words = (e) => (open(e) ? `✓ Saved on this tablet at ${clock(e.at)}: ${e.what}. Not at the node yet.` : `✓ ${e.what} at ${clock(e.at)} on this tablet, and sent.`);
  const mark = () => {
    for (const e of queue) {
      if (!e.dose || !(open(e) || (seenAt && e.sent > seenAt))) continue;
      const row = document.getElementById(`dose-${e.dose}`);
      row?.querySelector('.hearth-dose__do')?.replaceWith(node('p', words(e), 'hearth-dose__outcome hearth-dose__away'));
      for (const tag of row?.querySelectorAll('.nhsuk-tag--red, .nhsuk-tag--blue') ?? []) tag.replaceWith(node('strong', 'Saved on this tablet', 'nhsuk-tag nhsuk-tag--grey'));
      for (const form of document.querySelectorAll('main form[method=post]')) {
        const value = (name) => form.elements.namedItem(name)?.value;
        if (`${value('order')}-${value('due')}` === e.dose && !form.closest('.hearth-dose__do')) form.replaceWith(node('p', words(e), 'hearth-dose__outcome hearth-dose__away'));
      }
    }
  };

  const list = document.getElementById('outbox');
  const STATES = { waiting: 'Waits to be sent', unread: 'Kept here', filed: 'Sent', kept: 'Sent, and could not be filed' };
  const fill = () => {
    if (!list) return;
    list.replaceChildren(...[...queue].sort((a, b) => b.at - a.at).map((e) => {
      const row = node('li', '', 'hearth-dose');
      row.append(node('p', `${e.what} – ${e.who} – ${clock(e.at)}`, 'hearth-dose__due'), node('p', `${STATES[e.state] ?? e.state}. ${e.words}`, 'hearth-dose__outcome'));
      return row;
    }));
    const kept = queue.filter(open).length;
    say(`${kept ? `${kept} not sent yet.` : 'Everything is sent.'} ${synced ? `Last sent at ${clock(synced)}.` : ''}`);
    document.getElementById('outbox-sync').hidden = !kept;
  };
  const look = async () => {
    const told = await ask({ list: true });
    if (!told) return;
    ({ queue, synced } = told);
    mark(); show(); fill();
  };
  const flush = async () => { await ask({ flush: true }); await look(); };
  document.getElementById('outbox-sync')?.addEventListener('click', flush);

  // A form that was kept with its page is used once for each thing that is said with it.
  if (seenAt) {
    for (const key of document.querySelectorAll('input[name=key]')) {
      if (!key.form.elements.namedItem('due')) key.value = crypto.randomUUID();
    }
  }
  document.addEventListener('htmx:after:swap', mark);

  // What stands out when something could not be saved.
  const shout = (told) => {
    const warning = node('div', '', 'hearth-warning hearth-warning--stop');
    warning.setAttribute('role', 'alert');
    warning.append(node('p', `! ${told}`));
    document.querySelector('main')?.prepend(warning);
    warning.tabIndex = -1;
    warning.focus();
  };
  navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (data.refused) shout(data.refused);
    if (data.saved) { since ??= data.at; look(); }
    if (data.outbox) look();
    // What was marked here is in the record now: the row is shown as the node has it.
    if (data.sent && document.querySelector('.hearth-dose__away') && location.pathname.startsWith('/round/')) location.reload();
  });

  // Every two seconds a page that is looked at asks whether the node is there.
  let asking = false;
  const ping = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch('/health/live', { cache: 'no-store', signal: AbortSignal.timeout(2500) });
      if (!answer.ok) throw new Error('away');
      const back = since !== null;
      since = null;
      if (back || queue.some((e) => e.state === 'waiting')) await flush();
    } catch {
      since ??= Date.now();
    } finally {
      asking = false;
    }
    show();
  };
  setInterval(ping, 2000);
  for (const kind of ['online', 'pageshow']) addEventListener(kind, ping);
  document.addEventListener('visibilitychange', ping);

  const session = document.querySelector('#lock input[name=csrf]')?.value;
  const start = async () => {
    if (!worker()) return;
    page.dataset.away = 'yes';
    const person = document.getElementById('changed');
    if (session) {
      await ask({ hello: { session, person: person && { id: person.dataset.resident, label: person.dataset.label } } });
      const forms = /^\/(round\/[\w-]+\/not-given|r\/[\w-]+\/(obs|notes)\/new)(\?|$)/;
      const links = [...document.querySelectorAll('main a[href]')].map((a) => a.getAttribute('href')).filter((href) => forms.test(href));
      if (links.length && !seenAt) ask({ ahead: links });
    }
    await look();
    if (!list) say('This tablet can work out of reach of the node.');
    ping();
  };
  let touched = 0;
  const touch = () => {
    if (!session || Date.now() - touched < 20000) return;
    touched = Date.now();
    worker()?.postMessage({ touch: true });
  };
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, touch, { passive: true });
  if (state) navigator.storage?.persist?.().catch(() => {});
  navigator.serviceWorker.addEventListener('controllerchange', start);
  navigator.serviceWorker.register('/worker.js', { updateViaCache: 'none' }).catch(() => {
    say('This tablet cannot work out of reach of the node: its browser does not trust the node’s certificate. Have the site’s certificate installed on it, then open this page again.');
  });
  start();
})();
