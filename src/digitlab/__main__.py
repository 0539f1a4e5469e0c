"""`python -m digitlab`, the same as the command `digitlab`."""

from digitlab.cli import main

if __name__ == "__main__":
    main()
