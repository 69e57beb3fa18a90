// SPDX-License-Identifier: Apache-2.0
// What the theme leaves out for people who use a keyboard or a screen reader. It goes on while the theme changes the page.
const SCROLLED = "pre > code, .md-typeset__scrollwrap";
const INNER = "nav.md-nav nav.md-nav, nav.md-code__nav"; // parts of a landmark, and no landmarks of their own

function mend() {
  document.querySelectorAll(".md-search[role=dialog]:not([aria-label])").forEach((one) => one.setAttribute("aria-label", "Search"));
  document.querySelectorAll(SCROLLED).forEach((one) => { if (one.tabIndex !== 0) one.tabIndex = 0; });
  document.querySelectorAll(INNER).forEach((one) => {
    if (one.getAttribute("role") !== "none") one.setAttribute("role", "none");
    for (const name of ["aria-label", "aria-labelledby", "aria-expanded"]) one.removeAttribute(name);
  });
}

mend();
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-expanded", "tabindex"] });
