"""The commands: `stowbay` for users, `stowbay-admin` for operators; one file per verb."""
