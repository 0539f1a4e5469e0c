"""The training of networks: the loop, its checkpoints, its reports and what it leaves behind."""
