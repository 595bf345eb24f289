// Lights up what a citation points at, shows the close-up of a finding, fades layers, follows the chat, lets the clock run.
(() => {
  const places = (ids) => [...document.querySelectorAll('.lt-view [data-ids]')].filter((e) => ids.some((id) => e.dataset.ids.split(' ').includes(id)));
  const cited = (event) => event.target instanceof Element ? event.target.closest('[data-cite]') : null;
  let held = [];
  const show = (ids) => {
    document.querySelectorAll('.lt-mark.is-lit, .lt-cite.is-lit').forEach((e) => e.classList.remove('is-lit'));
    places(ids).forEach((e) => e.classList.contains('lt-mark') && e.classList.add('is-lit'));
    ids.forEach((id) => document.querySelectorAll(`.lt-cite[data-cite="${CSS.escape(id)}"]`).forEach((e) => e.classList.add('is-lit')));
  };
  const hint = (event) => { const c = cited(event); if (c) show(c.dataset.cite.split(' ')); };
  const back = (event) => { if (cited(event)) show(held); };
  document.addEventListener('mouseover', hint);
  document.addEventListener('focusin', hint);
  document.addEventListener('mouseout', back);
  document.addEventListener('focusout', back);
  document.addEventListener('click', (event) => {
    const c = cited(event);
    if (!c) return;
    held = c.dataset.cite.split(' ');
    show(held);
    const pairs = places(held).filter((e) => e.classList.contains('lt-pair'));
    if (pairs.length) {
      document.querySelectorAll('.lt-pair').forEach((e) => { e.hidden = e !== pairs[0]; });
      document.querySelectorAll('.lt-finding').forEach((e) => {
        const chosen = e.dataset.cite === pairs[0].dataset.ids;
        e.classList.toggle('is-chosen', chosen);
        e.setAttribute('aria-pressed', String(chosen));
      });
    }
    const stage = c.closest('.lt-view')?.querySelector('.lt-stage');
    const box = stage && stage.getBoundingClientRect();
    if (box && (box.bottom < 80 || box.top > window.innerHeight - 80)) stage.scrollIntoView({ block: 'center' });
  });
  document.addEventListener('input', (event) => {
    const slider = event.target instanceof Element ? event.target.closest('[data-fade]') : null;
    if (slider) slider.closest('.lt-view').style.setProperty('--fade', String(slider.value / 100));
  });
  // The newest answer is in view whenever the conversation has changed.
  const newest = () => { const chat = document.querySelector('#chat .lt-chat'); if (chat) chat.scrollTop = chat.scrollHeight; };
  const watch = () => {
    const chat = document.querySelector('#chat');
    if (chat) new MutationObserver(newest).observe(chat, { childList: true, subtree: true, characterData: true });
    else setTimeout(watch, 200);
  };
  watch();
  const started = new WeakMap();
  setInterval(() => document.querySelectorAll('.lt-clock').forEach((e) => {
    if (!started.has(e)) started.set(e, performance.now() - 1000 * Number(e.dataset.elapsed));
    e.textContent = `${((performance.now() - started.get(e)) / 1000).toFixed(0)} s`;
  }), 500);
})();
