"""The command line: one file for each verb, thin: parse, call one public function, print.

Verbs lie in folders by what they take (`network/`, `model/`); what they share is here: `verb` says errors in flags,
`source` turns words into values, `progress` draws bars.
"""
