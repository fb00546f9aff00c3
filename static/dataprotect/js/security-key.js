// Buttons that need a script appear when there is one; a key that does not answer is told beside them.
for (const element of document.querySelectorAll('[data-needs-script]')) element.hidden = false
for (const element of document.querySelectorAll('[data-without-script]')) element.hidden = true
document.addEventListener('allauth.error', event => {
  event.preventDefault()
  document.getElementById('key-trouble').hidden = false
})
