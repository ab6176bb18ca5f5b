-- Format 5. What processes are waiting for, and what they have still to do. All of it can be made again from their journals,
-- the streams `$process.NAME-ID`. A time is microseconds since 1970 UTC.

-- One row for each instance.
create table refold_processes (
  process     text    not null,
  instance    text    not null,
  version     integer not null,
  state       text    not null check (state in ('running', 'finished', 'failed', 'cancelled', 'compensated')),
  reason      text    not null,
  inputs      integer not null,
  started_at  integer not null,
  moved_at    integer not null,
  primary key (process, instance)
) strict, without rowid;

create index refold_processes_by_state on refold_processes (process, state, moved_at);

-- What will come back to an instance, and when: at rest, a timer costs a look at the first row of an index.
create table refold_timers (
  timer           text    primary key,
  process         text    not null,
  instance        text    not null,
  slot            integer not null,
  due             integer not null,
  type            text    not null,
  schema_version  integer not null,
  data            text    not null,
  story           text    not null
) strict, without rowid;

create index refold_timers_by_due on refold_timers (process, due);
create index refold_timers_by_instance on refold_timers (process, instance);

-- What is still to be sent: commands to deciders, and calls of effects. Rows of one lane go one after another.
-- Nothing waits without a time at which it is looked at again.
create table refold_outgoing (
  message     text    primary key,
  process     text    not null,
  instance    text    not null,
  slot        integer not null,
  lane        text    not null,
  position    integer not null,
  kind        text    not null check (kind in ('command', 'effect', 'step', 'undo')),
  receiver    text    not null,
  target      text    not null,
  type        text    not null,
  data        text    not null,
  fallback    text    not null,
  story       text    not null,
  state       text    not null check (state in ('pending', 'parked')),
  due         integer not null,
  attempts    integer not null,
  error       text    not null
) strict, without rowid;

create index refold_outgoing_by_due on refold_outgoing (process, state, due);
create index refold_outgoing_by_lane on refold_outgoing (process, instance, lane, position);
