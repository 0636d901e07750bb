-- Before the declaration is read, and before any row is locked: what it says then is still so at the commit.
LOCK TABLE sequin._providers IN ROW EXCLUSIVE MODE
