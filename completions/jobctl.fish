complete --keep-order --exclusive --command jobctl --arguments "(JOBCTL_COMPLETE=fish jobctl -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
