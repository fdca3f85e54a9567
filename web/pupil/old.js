// For browsers without modules: say so, in syntax they read.
(function () {
  var words = document.getElementById('too-old');
  var form = document.getElementById('join');
  if (words) words.hidden = false;
  if (form) form.hidden = true;
})();
