package subscribers

// TextAfter finds the text that follows a name in a row.
var TextAfter = textAfter
