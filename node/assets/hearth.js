// The node's pages work without this file. With it the strip is live, the screen locks itself, a list can be searched
// as one types, and a form that could not be sent says so.
(() => {
  'use strict';
  const page = document.documentElement;
  const strip = document.getElementById('strip');

  // An error summary takes the focus, so that a screen reader says first what is wrong.
  const focusSummary = () => {
    const summary = document.querySelector('.nhsuk-error-summary, [data-focus]');
    if (summary) {
      summary.setAttribute('tabindex', '-1');
      summary.focus();
    }
  };
  focusSummary();
  document.addEventListener('htmx:after:swap', focusSummary);

  const cutOff = (text) => {
    if (!strip) return;
    strip.className = 'hearth-strip hearth-strip--alarm';
    const inner = strip.querySelector('.hearth-strip__inner');
    const state = document.createElement('span');
    state.className = 'hearth-strip__state';
    state.textContent = '✕ This screen has lost the node. ';
    inner.replaceChildren(state, document.createTextNode(text));
  };

  // What this page itself just sent is no news to it.
  let own = 0;
  const sending = () => { own = Date.now(); };
  document.addEventListener('htmx:before:request', sending);
  document.addEventListener('htmx:after:request', sending);
  const changed = () => {
    const notice = document.getElementById('changed');
    if (notice && Date.now() - own > 3000) notice.hidden = false;
  };

  // Live strip. The browser connects again by itself and names the last event it saw.
  const signedIn = page.dataset.signedIn === 'yes';
  if (signedIn && strip && window.EventSource) {
    const events = new EventSource('/events');
    let lost = null;
    events.addEventListener('open', () => { clearTimeout(lost); lost = null; });
    events.addEventListener('error', () => {
      if (lost === null) {
        lost = setTimeout(() => page.dataset.away || cutOff('Do not rely on what it shows. Check the Wi-Fi, or use the paper charts.'), 6000);
      }
    });
    events.addEventListener('strip', (event) => {
      const fresh = new DOMParser().parseFromString(event.data, 'text/html').getElementById('strip');
      if (!fresh || fresh.innerHTML === strip.innerHTML) return;
      strip.className = fresh.className;
      strip.replaceChildren(...fresh.childNodes);
    });
    events.addEventListener('changed', (event) => {
      if (event.data !== document.getElementById('changed')?.dataset.resident) return;
      changed();
      // Cards ask for themselves, in their place: the list never moves, and a medicine that was changed takes no tap.
      if (Date.now() - own > 3000) document.body.dispatchEvent(new CustomEvent('hearth:changed'));
    });
    // After a gap nobody knows what was missed.
    events.addEventListener('resync', changed);
    events.addEventListener('locked', () => location.replace('/unlock'));
    window.addEventListener('pagehide', () => events.close());
  }

  document.addEventListener('htmx:error', () => {
    cutOff('What you just did was NOT saved. Try again, or write it on paper.');
  });

  // Idle lock: after so many seconds without a touch or key the screen is locked. While somebody types, the node is
  // told once a minute, so that a long note is not lost to a session that ended.
  const idleSeconds = Number(page.dataset.idleSeconds || 0);
  const lock = document.getElementById('lock');
  if (signedIn && lock && idleSeconds > 0) {
    let touched = Date.now();
    let told = Date.now();
    const touch = () => {
      touched = Date.now();
      if (touched - told > 60000) {
        told = touched;
        fetch('/alive', { method: 'POST', body: new URLSearchParams(new FormData(lock)), credentials: 'same-origin' })
          .catch(() => {});
      }
    };
    for (const kind of ['pointerdown', 'keydown', 'scroll']) addEventListener(kind, touch, { passive: true });
    setInterval(() => {
      if (Date.now() - touched > idleSeconds * 1000) lock.requestSubmit();
    }, 5000);
  }
  // A page from the back-forward cache may show what was locked away.
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

  // One press, one form: a second press while the first is under way does nothing.
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.dataset.sent === 'yes') { event.preventDefault(); return; }
    form.dataset.sent = 'yes';
    setTimeout(() => { form.dataset.sent = ''; }, 4000);
  });

  // A PIN of which the length is known here is sent with its last digit. Once: a wrong one is looked at first.
  const pin = document.querySelector('input[data-digits]');
  if (pin) {
    pin.addEventListener('input', () => {
      if (pin.value.length !== Number(pin.dataset.digits) || pin.dataset.tried === 'yes') return;
      pin.dataset.tried = 'yes';
      pin.form.requestSubmit();
    });
  }

  // Search among what is on the page: nothing that is typed leaves it.
  const search = document.getElementById('search');
  const tiles = [...document.querySelectorAll('[data-search]')];
  const found = document.getElementById('found');
  if (search && tiles.length) {
    document.getElementById('search-form').addEventListener('submit', (event) => event.preventDefault());
    search.addEventListener('input', () => {
      const words = search.value.toLowerCase().replace(/(\d)[\s-]+(?=\d)/g, '$1').split(/\s+/).filter(Boolean);
      let count = 0;
      for (const tile of tiles) {
        const hit = words.every((word) => tile.dataset.search.includes(word));
        tile.hidden = !hit;
        if (hit) count += 1;
      }
      if (found) found.textContent = count === 1 ? '1 resident' : `${count} residents`;
    });
  }
})();
