"""`python -m hwsr` is the command line."""

from hwsr.cli import main

if __name__ == "__main__":
    main()
