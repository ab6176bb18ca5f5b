-- Format 7. Events that stand elsewhere, and only their read models here.

-- What transactions of this database want appended to journals: written down with them, sent when they have committed.
create table {schema}.unsent (
  number  bigint generated always as identity primary key,
  append  text not null
);

-- Whose read models these are, one row at most.
create table {schema}.events_elsewhere (
  one    integer primary key check (one = 1),
  place  text not null
);
