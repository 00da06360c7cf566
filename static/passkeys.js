/* Passkeys: form[data-passkey] asks the browser's device for one, and is sent with the answer in its field "credential".
   Whatever fails is told in the form's [data-said]. */
(function () {
  "use strict";
  const STOPPED = {
    create: "That was stopped before it finished. You can try again.",
    get: "That was stopped before it finished, or this device has no passkey for Alma. Try again, or use another way.",
  };
  const TOO_LONG = "That took too long. Try again.";
  const WORDS = {
    InvalidStateError: "This device holds a passkey for your account already. Use another device, or the passkey you have.",
    NotSupportedError: "This device cannot make a passkey that we could use. Use another device.",
    ConstraintError: "This device cannot ask for your fingerprint, face or screen lock. Use another device.",
  };

  const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const encode = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const decodeIds = (list) => (list || []).map((each) => ({ ...each, id: decode(each.id) }));

  function publicKey(options) {
    const key = { ...options, challenge: decode(options.challenge) };
    if (options.user) key.user = { ...options.user, id: decode(options.user.id) };
    if (options.excludeCredentials) key.excludeCredentials = decodeIds(options.excludeCredentials);
    if (options.allowCredentials) key.allowCredentials = decodeIds(options.allowCredentials);
    return key;
  }

  function answer(credential) {
    const given = credential.response, response = { clientDataJSON: encode(given.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
      if (given[name]) response[name] = encode(given[name]);
    if (given.getTransports) response.transports = given.getTransports();
    return JSON.stringify({ id: credential.id, rawId: encode(credential.rawId), type: credential.type, response });
  }

  function say(form, words) {
    const place = form.querySelector("[data-said]");
    place.replaceChildren();
    if (!words) return;
    const box = document.createElement("div");
    box.className = "notice warn";
    box.textContent = words;
    place.append(box);
  }

  function wait(form, on) {
    const button = form.querySelector("button");
    if (on) button.setAttribute("aria-busy", "true"); else button.removeAttribute("aria-busy");
    form.dataset.waiting = on ? "yes" : "";
  }

  /* Returns the options; or null where the page has to be loaded again, or has been told why there are none. */
  async function ask(form) {
    const fields = new URLSearchParams(new FormData(form));
    const reply = await fetch(form.dataset.options, { method: "POST", body: fields, headers: { Accept: "application/json" } });
    if (reply.ok) return reply.json();
    if (reply.status === 401 || reply.status === 403) location.reload(); // leads to signing in, or to confirming
    else if (reply.status === 400) say(form, "This page was open for too long. Load it again.");
    else if (reply.status === 429) say(form, `There were too many tries. Wait ${reply.headers.get("Retry-After")} seconds, then try again.`);
    else say(form, "Something broke on our side. Try again in a few minutes.");
    return null;
  }

  async function run(form) {
    const kind = form.dataset.passkey;
    let options;
    try {
      options = await ask(form);
    } catch (failure) {
      say(form, "You seem to be offline. Try again.");
    }
    if (!options) return false;
    const began = Date.now();
    try {
      const credential = await navigator.credentials[kind]({ publicKey: publicKey(options) });
      form.elements.credential.value = answer(credential);
    } catch (failure) {
      // Browsers give stopping and running out of time the same name, so that no page learns whether there is a passkey.
      const late = failure.name === "NotAllowedError" && Date.now() - began >= options.timeout;
      say(form, late ? TOO_LONG : WORDS[failure.name] || STOPPED[kind]);
      return false;
    }
    HTMLFormElement.prototype.submit.call(form);
    return true;
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const cannot =
      location.origin !== form.dataset.origin ? `Passkeys work only at ${form.dataset.origin}. Open this page there.`
      : !window.PublicKeyCredential ? "This browser cannot use passkeys. Use another way, or another browser."
      : "";
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (form.dataset.waiting) return;
      say(form, cannot);
      if (cannot) return;
      wait(form, true);
      if (!(await run(form))) wait(form, false);
    });
  }
  addEventListener("pageshow", (event) => {
    if (event.persisted) for (const form of document.querySelectorAll("form[data-passkey]")) wait(form, false);
  });
})();
