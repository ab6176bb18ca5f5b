-- Format 5. What processes are waiting for, and what they have still to do. All of it can be made again from their journals,
-- the streams `$process.NAME-ID`. A time is microseconds since 1970 UTC.

-- One row for each instance.
create table {schema}.processes (
  process     text collate "C" not null,
  instance    text collate "C" not null,
  version     integer not null,
  state       text collate "C" not null check (state in ('running', 'finished', 'failed', 'cancelled', 'compensated')),
  reason      text not null,
  inputs      bigint not null,
  started_at  bigint not null,
  moved_at    bigint not null,
  primary key (process, instance)
);

create index processes_by_state on {schema}.processes (process, state, moved_at);

-- What will come back to an instance, and when: at rest, a timer costs a look at the first row of an index.
create table {schema}.timers (
  timer           text collate "C" primary key,
  process         text collate "C" not null,
  instance        text collate "C" not null,
  slot            integer not null,
  due             bigint not null,
  type            text collate "C" not null,
  schema_version  integer not null,
  data            text not null,
  story           text collate "C" not null
);

create index timers_by_due on {schema}.timers (process, due);
create index timers_by_instance on {schema}.timers (process, instance);

-- What is still to be sent: commands to deciders, and calls of effects. Rows of one lane go one after another.
-- Nothing waits without a time at which it is looked at again.
create table {schema}.outgoing (
  message     text collate "C" primary key,
  process     text collate "C" not null,
  instance    text collate "C" not null,
  slot        integer not null,
  lane        text collate "C" not null,
  position    bigint not null,
  kind        text collate "C" not null check (kind in ('command', 'effect', 'step', 'undo')),
  receiver    text collate "C" not null,
  target      text not null,
  type        text collate "C" not null,
  data        text not null,
  fallback    text not null,
  story       text collate "C" not null,
  state       text collate "C" not null check (state in ('pending', 'parked')),
  due         bigint not null,
  attempts    integer not null,
  error       text not null
);

create index outgoing_by_due on {schema}.outgoing (process, state, due);
create index outgoing_by_lane on {schema}.outgoing (process, instance, lane, position);
