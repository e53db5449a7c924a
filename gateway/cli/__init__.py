"""The spingate command, one file for each subcommand."""
