// SPDX-License-Identifier: Apache-2.0
// What the theme leaves out for people who use a keyboard or a screen reader.
document.querySelectorAll(".md-search[role=dialog]").forEach((one) => one.setAttribute("aria-label", "Search"));
document.querySelectorAll("pre > code, .md-typeset__scrollwrap").forEach((one) => { one.tabIndex = 0; });
document.querySelectorAll("nav.md-nav nav.md-nav").forEach((one) => one.setAttribute("role", "group"));
document.querySelectorAll(".md-typeset table:not([class])").forEach((table) => {
  // The theme wraps tables later than this script runs.
  new MutationObserver((_, seen) => { table.closest(".md-typeset__scrollwrap")?.setAttribute("tabindex", "0"); seen.disconnect(); })
    .observe(table.parentElement, { childList: true });
});
