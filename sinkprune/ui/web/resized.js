// Figures that were drawn while their tab was hidden take the width of the page that they then find.
() => { setTimeout(() => dispatchEvent(new Event("resize")), 400); }
