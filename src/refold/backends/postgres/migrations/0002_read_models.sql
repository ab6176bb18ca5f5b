-- Format 2. How far read models are, who works on them, and what they could not take in. All of it can be built again from
-- the events. A time is microseconds since 1970 UTC.

-- One row for each time that a read model was begun. Readers see the active build; the others' tables have its number.
-- The audit knows what was applied after a position; effects up to another one were caused by an earlier build. `objects`: what its schema made, as JSON, under the names without a number.
create table {schema}.builds (
  projection     text collate "C" not null,
  build          integer          not null,
  version        integer          not null,
  role           text             not null check (role in ('active', 'building', 'retired')),
  began_at       bigint           not null,
  audited_after  bigint           not null,
  effects_after  bigint           not null,
  objects        text             not null,
  primary key (projection, build)
);

create unique index one_active on {schema}.builds (projection) where role = 'active';
create unique index one_building on {schema}.builds (projection) where role = 'building';

-- The checkpoints: the keys of a build fall into 1,024 slots, and a row holds a range of them. Whoever moves it says from
-- where, and under which fence: it is raised whenever the range gets another owner, or is changed by somebody else.
create table {schema}.partitions (
  projection    text collate "C" not null,
  build         integer          not null,
  first_slot    integer          not null,
  last_slot     integer          not null,
  position      bigint           not null,
  stop_at       bigint,
  state         text             not null check (state in ('running', 'paused', 'failed')),
  reason        text             not null,
  fence         bigint           not null,
  owner         text collate "C" not null,
  leased_until  bigint           not null,
  moved_at      bigint           not null,
  applied       bigint           not null,
  rate          double precision not null,
  primary key (projection, build, first_slot)
);

-- The audit: of each stretch of 1,024 positions, which were applied once (a bit each), and which more than once.
create table {schema}.applied (
  projection  text collate "C" not null,
  build       integer          not null,
  first_slot  integer          not null,
  stretch     bigint           not null,
  once        bytea            not null,
  twice       bytea            not null,
  primary key (projection, build, first_slot, stretch)
);

-- Events that a handler failed for, and those of the same key that wait behind them.
create table {schema}.dead_letters (
  projection  text collate "C" not null,
  build       integer          not null,
  position    bigint           not null,
  key         text collate "C" not null,
  state       text             not null check (state in ('failed', 'waiting', 'skipped')),
  error       text             not null,
  attempts    integer          not null,
  parked_at   bigint           not null,
  primary key (projection, build, position)
);

create index dead_letters_by_key on {schema}.dead_letters (projection, build, key, position);

-- Who runs which projections in which version: so they share the partitions out among themselves.
create table {schema}.runners (
  runner      text collate "C" not null,
  serves      text collate "C" not null,
  seen_until  bigint           not null,
  primary key (runner, serves)
);

insert into {schema}.builds select projection, 1, version, 'active', 0, position, 0, '[]' from {schema}.checkpoints;
insert into {schema}.partitions
  select projection, 1, 0, 1023, position, null, 'running', '', 0, '', 0, 0, 0, 0.0 from {schema}.checkpoints;
drop table {schema}.checkpoints;
drop function {schema}.claim(text, integer, bigint, bigint);
