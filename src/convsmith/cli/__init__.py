"""The command line: one file a verb, thin: parse, call one public function, print."""
