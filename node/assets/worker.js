// The tablet out of reach of the node. Pages that were seen open again, with their age; forms that may wait are sealed
// to the node's key and kept until it answers. What is not on the list below is refused in words.
'use strict';
const SEEN = 'seen-1';
const FILES = 'files-1';
// What may wait, as the node has it too.
const MAY_WAIT = [
  [/^\/round\/([\w-]+)\/given$/, 'Dose given'],
  [/^\/round\/([\w-]+)\/not-given$/, 'Dose not given'],
  [/^\/r\/([\w-]+)\/obs\/new$/, 'Observations'],
  [/^\/r\/([\w-]+)\/soft-signs\/new$/, 'Soft signs'],
  [/^\/r\/([\w-]+)\/weight\/new$/, 'Weight'],
  [/^\/r\/([\w-]+)\/fluid\/new$/, 'Fluid'],
  [/^\/r\/([\w-]+)\/notes\/new$/, 'Note'],
  [/^\/r\/([\w-]+)\/notes\/tile\/[\w-]+$/, 'Note'],
  [/^\/r\/([\w-]+)\/body\/[\w-]+$/, 'Mark on the body map'],
  [/^\/r\/([\w-]+)\/incident$/, 'Incident'],
];
const HTML = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
};
const PAPER = 'It was NOT saved. Write it on paper, and record it when the node is back.';

// --- the store -----------------------------------------------------------------------------------------------------
// `queue`: forms by key, each with the version of its layout. `state`: what the worker must not forget when it is put
// to sleep. A later version may add stores; it never removes an entry that was not sent.
let opening;
const db = () => (opening ??= new Promise((resolve, reject) => {
  const open = indexedDB.open('hearth', 1);
  open.onupgradeneeded = () => {
    const names = open.result.objectStoreNames;
    if (!names.contains('queue')) open.result.createObjectStore('queue', { keyPath: 'key' });
    if (!names.contains('state')) open.result.createObjectStore('state');
  };
  open.onsuccess = () => resolve(open.result);
  open.onerror = () => { opening = undefined; reject(open.error); };
}));
const act = async (store, mode, what) => {
  const tx = (await db()).transaction(store, mode, { durability: 'strict' });
  const asked = what(tx.objectStore(store));
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve(asked?.result);
    tx.onabort = tx.onerror = () => reject(tx.error);
  });
};
const get = (name) => act('state', 'readonly', (s) => s.get(name));
const put = (name, value) => act('state', 'readwrite', (s) => (value === undefined ? s.delete(name) : s.put(value, name)));
const queue = () => act('queue', 'readonly', (s) => s.getAll());
const keep = (entry) => act('queue', 'readwrite', (s) => s.put(entry));
const waiting = async () => (await queue()).filter((e) => e.state !== 'filed' && e.state !== 'kept');

// --- sealing -------------------------------------------------------------------------------------------------------
const text = new TextEncoder();
const to64 = (bytes) => {
  let s = '';
  for (const b of new Uint8Array(bytes)) s += String.fromCharCode(b);
  return btoa(s).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
};
const from64 = (s) => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const seal = async (node, form, what) => {
  const curve = { name: 'ECDH', namedCurve: 'P-256' };
  const own = await crypto.subtle.generateKey(curve, false, ['deriveBits']);
  const point = new Uint8Array(await crypto.subtle.exportKey('raw', own.publicKey));
  const theirs = await crypto.subtle.importKey('raw', node, curve, false, []);
  const shared = await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, own.privateKey, 256);
  const secret = await crypto.subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey']);
  const salt = new Uint8Array([...point, ...node]);
  const key = await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt, info: text.encode('hearth away 1') }, secret,
    { name: 'AES-GCM', length: 256 }, false, ['encrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const closed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: text.encode(form) }, key, text.encode(what));
  return to64(new Uint8Array([1, ...point, ...iv, ...new Uint8Array(closed)]));
};

// --- the session on this tablet ------------------------------------------------------------------------------------
const tell = async (what) => {
  for (const page of await self.clients.matchAll({ type: 'window' })) page.postMessage(what);
};
const wipe = async () => {
  await caches.delete(SEEN);
  await put('away');
  await put('people');
};
// Whether what was seen may still be shown: somebody touched the tablet within the idle time, and the ticket holds.
const open = async () => {
  const away = await get('away');
  if (!away) return null;
  const touched = (await get('touched')) ?? 0;
  if (Date.now() - touched > away.idle * 1000 || Date.now() > away.until) { await wipe(); return null; }
  return away;
};
const hello = async ({ session, person }) => {
  const before = await get('away');
  await put('touched', Date.now());
  if (before?.session !== session) {
    if (before) await wipe();
    const answer = await fetch('/away', { cache: 'no-store' });
    if (!answer.ok || answer.redirected) return;
    await put('away', { ...(await answer.json()), session });
  }
  if (person) await put('people', { ...(await get('people')), [person.id]: person.label });
};

// --- asking the node -----------------------------------------------------------------------------------------------
let lost = false;
const late = (ms) => new Promise((_, reject) => { setTimeout(() => reject(new Error('late')), ms); });
const ask = async (request, ms) => {
  try {
    const answer = await Promise.race([fetch(request), late(ms)]);
    lost = false;
    return answer;
  } catch (error) {
    lost = true;
    throw error;
  }
};
const html = (title, body, status = 200) => new Response(
  `<!DOCTYPE html><html lang="en-GB"><head><meta charset="utf-8"><title>${title} – Hearth</title><meta name="viewport" content="width=device-width, initial-scale=1">${files}</head><body><header class="hearth-bar"><div class="hearth-bar__inner"><p class="hearth-bar__site"><span class="hearth-bar__product">Hearth</span></p></div></header><div id="strip" class="hearth-strip hearth-strip--alarm" role="status"><div class="hearth-strip__inner"><span class="hearth-strip__state">✕ Not connected to the node.</span></div></div><main class="hearth-main" id="maincontent"><h1>${title}</h1>${body}</main></body></html>`,
  { status, headers: HTML });
let files = '';
const clock = (at) => new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = (at) => (new Date(at).toDateString() === new Date().toDateString() ? '' : ` on ${new Date(at).toLocaleDateString('en-GB', { day: '2-digit', month: 'short', year: 'numeric' })}`);

// --- forms ---------------------------------------------------------------------------------------------------------
const piece = (request) => request.headers.has('hx-request');
const told = (request, title, words, state) => {
  const body = `<div class="hearth-warning"><p><strong>${state === 'saved' ? '✓' : '!'} ${words}</strong></p></div><p><a class="nhsuk-button nhsuk-button--secondary" href="/outbox">Saved on this tablet</a></p>`;
  if (piece(request)) return new Response(null, { status: 204, headers: { 'x-hearth': state } });
  return html(title, body, state === 'saved' ? 200 : 503);
};
const refuse = async (request, words) => {
  await tell({ refused: words });
  return told(request, 'Not saved', words, 'refused');
};
const post = async (request) => {
  const url = new URL(request.url);
  const body = await request.clone().text();
  if (url.pathname === '/lock') return lock(request, body);
  const fields = new URLSearchParams(body);
  const found = MAY_WAIT.map(([path, words]) => [url.pathname.match(path), words]).find(([hit]) => hit);
  const dose = url.pathname.startsWith('/round/') ? `${fields.get('order')}-${fields.get('due')}` : null;
  if (dose && (await waiting()).some((e) => e.dose === dose)) {
    return refuse(request, 'This dose is saved on this tablet already. Do not give it again.');
  }
  try {
    const answer = await ask(request, found ? (lost ? 1000 : 4000) : 25000);
    if (answer.type === 'opaqueredirect' || answer.ok) await forget(url.pathname);
    return answer;
  } catch { /* out of reach */ }
  if (!found) return refuse(request, `The node is out of reach, and this cannot wait on a tablet. ${PAPER}`);
  if (dose && fields.get('may_wait') !== 'yes') {
    return refuse(request, `The node is out of reach. A controlled drug, or a dose with a warning, is recorded at the node only: the check cannot be made here. ${PAPER}`);
  }
  const away = await open();
  if (!away) return refuse(request, `The node is out of reach, and nobody is signed in on this tablet. ${PAPER}`);
  const [hit, what] = found;
  // A form that was opened once and sent twice says two things: neither takes the place of the other. A dose is one
  // thing however often it is sent.
  const taken = !dose && (await queue()).some((e) => e.key === fields.get('key'));
  const key = taken || !fields.get('key') ? crypto.randomUUID() : fields.get('key');
  const at = Date.now();
  try {
    const form = JSON.stringify({ ticket: away.ticket, path: url.pathname, fields: body, at });
    const sealed = await seal(from64(away.key), key, form);
    const who = (await get('people'))?.[hit[1]] ?? 'a resident';
    await keep({ v: 1, key, sealed, what, who, dose, at, state: 'waiting', words: '' });
  } catch {
    return refuse(request, `This tablet could not keep it. ${PAPER}`);
  }
  await tell({ saved: dose ?? key, at });
  return told(request, 'Saved on this tablet', `Saved on this tablet at ${clock(at)}. It is not at the node yet, and is sent by itself.`, 'saved');
};
// A page that shows what was so before this form is no page to come back to.
const forget = async (path) => {
  const id = path.split('/')[2];
  const cache = await caches.open(SEEN);
  for (const seen of await cache.keys()) if (id && seen.url.includes(id)) await cache.delete(seen);
};

// --- locking -------------------------------------------------------------------------------------------------------
const locked = () => html('Locked', '<p>This screen is locked. The node is out of reach, so nobody can sign in: use the paper charts.</p><p><a class="nhsuk-button" href="/unlock">Try again</a></p><p><a class="hearth-tap" href="/outbox">Saved on this tablet</a></p>');
const lock = async (request, body) => {
  await wipe();
  await put('lock', body);
  try {
    const answer = await ask(request, 4000);
    await put('lock');
    return answer;
  } catch {
    return locked();
  }
};
// The session of a screen that was locked out of reach is ended before anything else is asked for.
const endLocked = async () => {
  const body = await get('lock');
  if (body === undefined) return;
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  await ask(new Request('/lock', { method: 'POST', body, headers, redirect: 'manual' }), 4000);
  await put('lock');
};

// --- pages ---------------------------------------------------------------------------------------------------------
const page = async (request) => {
  const url = new URL(request.url);
  if (url.pathname.startsWith('/unlock')) await wipe();
  try {
    await endLocked();
    const answer = await ask(request, lost ? 3000 : 8000);
    if (url.pathname.startsWith('/unlock') || url.pathname === '/outbox') return answer;
    if (answer.ok && (answer.headers.get('content-type') ?? '').startsWith('text/html')) {
      await put('touched', Date.now());
      const copy = answer.clone();
      const headers = { ...HTML, 'x-seen': String(Date.now()) };
      url.searchParams.delete('saved');
      await (await caches.open(SEEN)).put(url.href, new Response(await copy.blob(), { headers }));
    }
    return answer;
  } catch { /* out of reach */ }
  if (url.pathname === '/outbox') {
    const shell = await (await caches.open(FILES)).match('/outbox');
    if (shell) return shell;
  }
  if ((await get('lock')) !== undefined || !(await open())) return locked();
  url.searchParams.delete('saved');
  const seen = await (await caches.open(SEEN)).match(url.href);
  if (!seen) return html('Not on this tablet', '<p>The node is out of reach, and this page was not opened here since you signed in. Use the paper charts, or go back to a page that was.</p><p><a class="hearth-tap" href="/outbox">Saved on this tablet</a></p>', 503);
  await put('touched', Date.now());
  const at = Number(seen.headers.get('x-seen'));
  const words = `This is what the screen showed at ${clock(at)}${day(at)}; not live.`;
  const body = (await seen.text())
    .replace('<html ', `<html data-seen="${at}" `)
    .replace(/(<main[^>]*>)/, `$1<div class="hearth-warning" role="status"><p><strong>! ${words}</strong> What others did since is not here. Check the paper charts before you give anything.</p></div>`);
  return new Response(body, { headers: HTML });
};
// The forms of a page that is open are there when the node is not.
const fetchAhead = async (paths) => {
  const cache = await caches.open(SEEN);
  for (const path of paths.slice(0, 20)) {
    const href = new URL(path, self.location.origin).href;
    if (await cache.match(href)) continue;
    const answer = await fetch(href, { cache: 'no-store' });
    if (!answer.ok || answer.redirected) continue;
    const headers = { ...HTML, 'x-seen': String(Date.now()) };
    const copy = new Response(await answer.blob(), { headers });
    if (await get('away')) await cache.put(href, copy);
  }
};
const file = async (request) => {
  const cache = await caches.open(FILES);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
};

// --- sending -------------------------------------------------------------------------------------------------------
let sending = null;
const flush = () => (sending ??= send().finally(() => { sending = null; }));
const send = async () => {
  const day = 86400000;
  for (const e of await queue()) {
    if (e.state === 'filed' && Date.now() - e.sent > day) await act('queue', 'readwrite', (s) => s.delete(e.key));
  }
  const todo = (await waiting()).filter((e) => e.state === 'waiting').sort((a, b) => a.at - b.at);
  let sent = 0;
  for (const e of todo) {
    let answer;
    try {
      answer = await ask(new Request('/replay', {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ v: e.v, key: e.key, sealed: e.sealed }),
      }), 20000);
    } catch { break; }
    const said = answer.ok ? await answer.json().catch(() => null) : null;
    if (!said?.state) break;
    // What the node has, this tablet need not keep; what it could not read stays here.
    const done = said.state === 'filed' || said.state === 'kept';
    await keep({ ...e, state: said.state, words: said.words, sent: Date.now(), sealed: done ? '' : e.sealed });
    if (done) sent += 1;
  }
  if (todo.length) await put('synced', Date.now());
  if (sent) await tell({ sent });
  await tell({ outbox: true });
};

self.addEventListener('install', (event) => event.waitUntil((async () => {
  const shell = await fetch('/outbox', { cache: 'no-store' });
  const cache = await caches.open(FILES);
  const body = await shell.clone().text();
  await cache.put('/outbox', shell);
  await cache.addAll([...body.matchAll(/"(\/assets\/[^"]+)"/g)].map((hit) => hit[1]));
  await self.skipWaiting();
})()));
self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== SEEN && name !== FILES) await caches.delete(name);
  await self.clients.claim();
  await tell({ outbox: true });
})()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === 'POST' && !['/replay', '/alive'].includes(url.pathname)) {
    event.respondWith(withFiles().then(() => post(request)));
  } else if (request.mode === 'navigate') {
    event.respondWith(withFiles().then(() => page(request)));
  } else if (url.pathname.startsWith('/assets/')) {
    event.respondWith(file(request));
  }
});
// The style sheet and the scripts of pages that the worker makes itself.
const withFiles = async () => {
  if (files) return;
  const shell = await (await caches.open(FILES)).match('/outbox');
  const body = shell ? await shell.text() : '';
  files = (body.match(/<link rel="stylesheet"[^>]*>|<script src="[^"]*"[^>]*><\/script>/g) ?? []).join('');
};
self.addEventListener('message', (event) => {
  const { hello: said, flush: now, list, touch, ahead } = event.data ?? {};
  const port = event.ports[0];
  event.waitUntil((async () => {
    if (said) await hello(said).catch(() => {});
    if (touch) await put('touched', Date.now());
    if (now) await flush().catch(() => {});
    if (list) port?.postMessage({ queue: (await queue()).map(({ sealed, ...rest }) => rest), synced: await get('synced') });
    if (ahead) await fetchAhead(ahead).catch(() => {});
    if (!list) port?.postMessage({ done: true });
  })());
});
