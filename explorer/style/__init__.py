"""The look in force: colours, fonts, icons and the style sheet."""
