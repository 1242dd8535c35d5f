"""The command line: argv to parameters and execution, messages and exit codes."""
