-- Format 6. Events that stand elsewhere, and only their read models here.

-- What transactions of this database want appended to journals: written down with them, sent when they have committed.
create table refold_unsent (
  number  integer primary key,
  append  text not null
) strict;

-- Whose read models these are, one row at most.
create table refold_events_elsewhere (
  one    integer primary key check (one = 1),
  place  text not null
) strict;
