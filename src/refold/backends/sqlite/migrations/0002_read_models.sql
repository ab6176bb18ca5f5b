-- Format 2. How far read models are, who works on them, and what they could not take in. All of it can be built again from
-- the events. A time is microseconds since 1970 UTC.

-- One row for each time that a read model was begun. Readers see the active build; the others' tables have its number.
-- The audit knows what was applied after a position; effects up to another one were caused by an earlier build. `objects`: what its schema made, as JSON, under the names without a number.
create table refold_builds (
  projection     text    not null,
  build          integer not null,
  version        integer not null,
  role           text    not null check (role in ('active', 'building', 'retired')),
  began_at       integer not null,
  audited_after  integer not null,
  effects_after  integer not null,
  objects        text    not null,
  primary key (projection, build)
) strict, without rowid;

create unique index refold_one_active on refold_builds (projection) where role = 'active';
create unique index refold_one_building on refold_builds (projection) where role = 'building';

-- The checkpoints: the keys of a build fall into 1,024 slots, and a row holds a range of them. Whoever moves it says from
-- where, and under which fence: it is raised whenever the range gets another owner, or is changed by somebody else.
create table refold_partitions (
  projection    text    not null,
  build         integer not null,
  first_slot    integer not null,
  last_slot     integer not null,
  position      integer not null,
  stop_at       integer,
  state         text    not null check (state in ('running', 'paused', 'failed')),
  reason        text    not null,
  fence         integer not null,
  owner         text    not null,
  leased_until  integer not null,
  moved_at      integer not null,
  applied       integer not null,
  rate          real    not null,
  primary key (projection, build, first_slot)
) strict, without rowid;

-- The audit: of each stretch of 1,024 positions, which were applied once (a bit each), and which more than once.
create table refold_applied (
  projection  text    not null,
  build       integer not null,
  first_slot  integer not null,
  stretch     integer not null,
  once        blob    not null,
  twice       blob    not null,
  primary key (projection, build, first_slot, stretch)
) strict, without rowid;

-- Events that a handler failed for, and those of the same key that wait behind them.
create table refold_dead_letters (
  projection  text    not null,
  build       integer not null,
  position    integer not null,
  key         text    not null,
  state       text    not null check (state in ('failed', 'waiting', 'skipped')),
  error       text    not null,
  attempts    integer not null,
  parked_at   integer not null,
  primary key (projection, build, position)
) strict, without rowid;

create index refold_dead_letters_by_key on refold_dead_letters (projection, build, key, position);

-- Who runs which projections in which version: so they share the partitions out among themselves.
create table refold_runners (
  runner      text    not null,
  serves      text    not null,
  seen_until  integer not null,
  primary key (runner, serves)
) strict, without rowid;

insert into refold_builds select projection, 1, version, 'active', 0, position, 0, '[]' from refold_checkpoints;
insert into refold_partitions
  select projection, 1, 0, 1023, position, null, 'running', '', 0, '', 0, 0, 0, 0.0 from refold_checkpoints;
drop table refold_checkpoints;
