// Before the page's script: notes everything that goes wrong.
window.faults = [];
window.addEventListener("error", (event) => window.faults.push(`error: ${event.message}`));
window.addEventListener("unhandledrejection", (event) => window.faults.push(`rejected: ${event.reason}`));
document.addEventListener("securitypolicyviolation", (event) => window.faults.push(`blocked: ${event.violatedDirective}`));
