/* Alma: enhancement only. Every page works with this file absent. No eval, no inline style, no dependency but (on the desk) htmx. */
(function () {
  "use strict";
  var d = document, $ = function (s, r) { return (r || d).querySelector(s); }, $$ = function (s, r) { return Array.prototype.slice.call((r || d).querySelectorAll(s)); };
  function say(t) { var a = $("#announce"); if (a) { a.textContent = ""; setTimeout(function () { a.textContent = t; }, 60); } }

  // Errors: focus goes to the summary, once.
  var p = $("#problem"); if (p) p.focus();
  var nk = $("#n-h[tabindex]"); if (nk) nk.focus();

  // Double-submit guard: the second press does nothing; the button says why. Restored on back navigation.
  d.addEventListener("submit", function (e) {
    var f = e.target; if (!f.matches("[data-once]") || (window.htmx && f.matches("[hx-post]"))) return; // htmx turns the button off itself
    if (f.dataset.sent) { e.preventDefault(); return; }
    f.dataset.sent = "1";
    var b = e.submitter || $(".btn.pri", f); if (b) { b.setAttribute("aria-busy", "true"); if (b.dataset.busy !== undefined) b.textContent = b.dataset.busy; }
  });
  addEventListener("pageshow", function (e) { if (e.persisted && $("#nk")) location.replace("/internal/settings/keys"); }); // a key is shown once, also where a browser keeps pages
  addEventListener("pageshow", function () { $$("[data-sent]").forEach(function (f) { delete f.dataset.sent; $$("[aria-busy]", f).forEach(function (b) { b.removeAttribute("aria-busy"); }); }); });

  d.addEventListener("click", function (e) {
    var t = e.target.closest("button"); if (!t) return;
    if (t.dataset.open) $("#" + t.dataset.open).showModal();
    if (t.dataset.close !== undefined) { var to = t.closest(".toast"); to.remove(); }
    if (t.dataset.copy || t.dataset.copyFrom) {
      var from = t.dataset.copyFrom && $("#" + t.dataset.copyFrom), copied = function () { say("Copied"); var l = $("span", t); if (l) l.textContent = "Copied"; };
      // Browsers have no clipboard for pages over plain HTTP, and may refuse one: then what is to be copied is selected.
      var by_hand = function () { if (from) { from.select(); say("Selected. Copy it with your keyboard."); } };
      if (navigator.clipboard) navigator.clipboard.writeText(t.dataset.copy || from.value).then(copied, by_hand); else by_hand();
    }
    if (t.dataset.show) { var i = $("#" + t.dataset.show), on = i.type === "password"; i.type = on ? "text" : "password"; t.setAttribute("aria-pressed", on); t.textContent = on ? "Hide password" : "Show password"; }
  });

  // A menu closes when it was used, or with Escape, or when something else is pressed.
  d.addEventListener("click", function (e) { $$("details.menu[open]").forEach(function (m) { if (!m.contains(e.target) || e.target.closest("a")) m.open = false; }); });
  d.addEventListener("keydown", function (e) { var m = e.key === "Escape" && $("details.menu[open]"); if (m) { m.open = false; $("summary", m).focus(); } });

  // What was done is said for 8 s, but not taken from under the pointer or the focus. A refusal stays until it is closed.
  function fade() { $$(".toast:not([data-stays])").forEach(function (t) { t.dataset.stays = ""; setTimeout(function go() { if (t.matches(":hover,:focus-within")) setTimeout(go, 2000); else t.remove(); }, 8000); }); }
  fade(); d.addEventListener("htmx:afterSettle", fade);

  // Selection: of one list, on all of its pages, kept for as long as the tab is open. A number of a lead leads to what its box says.
  var chosen = {}, last = null, before = 0;
  function boxes() { return $$("#leads tbody input[type=checkbox]"); }
  function number(b) { return b.value.split(" ")[0]; }
  function here() { return $("#leads [name=query]").value; }
  function recall() {
    if (!$("#leads")) return;
    var kept = {}; try { kept = JSON.parse(sessionStorage.getItem("chosen")) || {}; } catch (_) {}
    chosen = kept.list === here() ? kept.leads : {};
    boxes().forEach(function (b) { b.checked = number(b) in chosen; });
    last = null; before = boxes().length + 1; count();
  }
  function remember() {
    boxes().forEach(function (b) { if (!b.checked) delete chosen[number(b)]; else if (!(number(b) in chosen)) chosen[number(b)] = b.value; });
    try { sessionStorage.setItem("chosen", JSON.stringify({ list: here(), leads: chosen })); } catch (_) {}
    return count();
  }
  function clear() { chosen = {}; boxes().forEach(function (b) { b.checked = false; }); remember(); }
  function count() {
    var of = boxes(), on = of.filter(function (b) { return b.checked; }).length, n = Object.keys(chosen).length, a = $("[data-all]"), every = $("#leads [name=all]");
    if (a) { a.indeterminate = on > 0 && on < of.length; a.checked = on > 0 && on === of.length; }
    if (every && on < before) every.checked = false;
    before = on;
    if ($("[data-count]")) { $("[data-count]").textContent = n; $("[data-elsewhere]").textContent = n > on ? ", " + (n - on) + " on other pages" : ""; }
    d.body.classList.toggle("some", n > 0);
    return n;
  }
  d.addEventListener("click", function (e) { // with Shift, all from the last one pressed to this one
    var b = e.target, of = boxes(), i = of.indexOf(b), j = of.indexOf(last); if (i < 0) return;
    if (e.shiftKey && j >= 0) of.slice(Math.min(i, j), Math.max(i, j) + 1).forEach(function (x) { x.checked = b.checked; });
    last = b;
  });
  d.addEventListener("change", function (e) {
    if (e.target.dataset.all !== undefined) boxes().forEach(function (b) { b.checked = e.target.checked; });
    if (e.target.name === "all") say(e.target.checked ? e.target.parentNode.textContent.trim() + " are selected" : count() + " selected");
    else if (e.target.closest(".leads")) say(remember() + " selected");
  });
  d.addEventListener("reset", function (e) { if (e.target.matches("#leads")) { clear(); say("0 selected"); } });
  d.addEventListener("submit", function (e) {
    if (e.target.matches("#agree")) try { sessionStorage.removeItem("chosen"); } catch (_) {} // what was asked for is done
    if (!e.target.matches("#leads")) return; // its "id" are the boxes
    if (!count()) e.preventDefault(); // Enter on a box, and none is ticked
    $$("[data-added]", e.target).forEach(function (x) { x.remove(); }); // of a press before, when one came back
    var seen = boxes().map(number);
    Object.keys(chosen).forEach(function (id) { if (seen.indexOf(id) < 0) { var x = d.createElement("input"); x.type = "hidden"; x.name = "id"; x.value = chosen[id]; x.dataset.added = ""; e.target.appendChild(x); } });
  });
  addEventListener("pageshow", recall);
  recall();

  // Single-key shortcuts; off when the account says so (<body data-keys="off">), while typing, or with a modifier.
  function rows() { return $$(".leads tbody tr"); }
  function at() { return $(".leads tbody tr.at"); }
  function go(n) { var r = rows(), i = r.indexOf(at()), k = r[Math.max(0, Math.min(r.length - 1, i + n))]; if (!k) return; r.forEach(function (x) { x.classList.remove("at"); }); k.classList.add("at"); $(".name", k).focus(); }
  d.addEventListener("keydown", function (e) {
    var t = e.target, typing = t.matches("input:not([type=checkbox]),textarea,select");
    if (e.key === "Escape" && t.form && t.form.dataset.leave) { $(t.form.dataset.leave).focus(); return; }
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && t.matches("textarea") && t.form) { t.form.requestSubmit(); return; }
    if (typing || e.ctrlKey || e.metaKey || e.altKey || d.body.dataset.keys === "off" || $("dialog[open]")) return;
    var r = at(), k = e.key;
    if (k === "/" && $("#q")) { e.preventDefault(); $("#q").focus(); $("#q").select(); }
    else if (k === "?" && $("#keys")) $("#keys").showModal();
    else if ((k === "j" || k === "k") && rows().length) go(k === "j" ? 1 : -1);
    else if (k === "x" && r) { var b = $("input", r); b.checked = !b.checked; last = b; say(remember() + " selected"); }
    else if (k === "e" && r) { var a = $(".act .btn", r); if (a) a.focus(); }
    else if (/^[a-z]$/.test(k) && $("[aria-keyshortcuts=" + k + "]")) { var l = $("[aria-keyshortcuts=" + k + "]"); e.preventDefault(); if (l.rel) l.click(); else l.focus(); }
    else if (k === "Escape" && $("#leads")) { if (count()) say("0 selected"); clear(); }
  });
  var kd = $("dialog[data-open]"); if (kd) kd.showModal();

  // Charts: one stop of the Tab key each, arrows go from column to column. Without script each column is a stop.
  $$(".plot").forEach(function (c) { $$(".pt", c).slice(0, -1).forEach(function (g) { g.setAttribute("tabindex", "-1"); }); });
  d.addEventListener("keydown", function (e) {
    var here = e.target.closest(".pt"); if (!here || e.ctrlKey || e.metaKey || e.altKey) return;
    var all = $$(".pt", here.closest("svg")), i = all.indexOf(here), to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: all.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    if (!all[to]) return;
    here.setAttribute("tabindex", "-1"); all[to].setAttribute("tabindex", "0"); all[to].focus();
  });

  // New leads are counted once a minute while the page is seen; rows never move by themselves. A session that ended is left alone.
  var asking = setInterval(ask, 60000);
  function ask() {
    var f = $("#fresh"); if (!f || d.hidden) return;
    fetch(f.dataset.ask, { headers: { Accept: "application/json" } }).then(function (a) {
      if (a.status === 401) { clearInterval(asking); tell(f, "You are signed out.", "Sign in"); }
      else if (a.ok) a.json().then(function (n) { if (n.count && f.isConnected) tell(f, n.more ? "Many new leads." : n.count === 1 ? "1 new lead." : n.count + " new leads.", n.count === 1 ? "Show it" : "Show them"); });
    }).catch(function () {}); // offline: the next minute may be better
  }
  function tell(f, words, link) { var s = $("span", f), a = $("a", f); if (s.textContent === words) return; s.textContent = words; a.textContent = link; f.classList.add("on"); say(words); }

  // After a swap: focus stays in the same row, on the same button, or goes to what took its place; what changed is said.
  var keep = null, had = null;
  d.addEventListener("htmx:beforeRequest", function (e) { var r = e.target.closest("tr,.dl"); keep = r ? r.id : null; had = d.activeElement && d.activeElement.id; });
  d.addEventListener("htmx:afterSettle", function (e) {
    var r = keep && d.getElementById(keep), t = e.detail.target && d.getElementById(e.detail.target.id), h = had; keep = had = null;
    if (r && !r.contains(d.activeElement)) { var f = $(".name,[data-after-swap],a,button", r); if (f) f.focus(); if (r.matches(".leads tr")) { rows().forEach(function (x) { x.classList.remove("at"); }); r.classList.add("at"); } }
    else if (!r && t && e.detail.requestConfig.triggeringEvent) setTimeout(function () { if (d.activeElement && d.activeElement !== d.body) return; var f = (h && d.getElementById(h)) || $("[data-after-swap]", t) || t; f.focus(); }, 0);
  });
  d.addEventListener("htmx:afterSwap", function (e) { var s = e.detail.target && e.detail.target.id; if (s === "list") recall(); else if ($("#leads")) remember(); if (s === "list") { var g = $(".pager span"); say(g ? g.textContent : "No lead matches"); } });
  d.addEventListener("htmx:responseError", function () { say("That did not work. Try again."); });
  d.addEventListener("htmx:sendError", function () { say("You seem to be offline. Nothing was changed."); });
})();
