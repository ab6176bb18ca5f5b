-- Format 1. The events are facts: appended at the end, never changed, never removed, whatever tool holds the file.
-- A time is microseconds since 1970 UTC. Positions have no holes here; recorded_at never goes backwards along them,
-- so a time is found by bisecting positions and needs no index.

create table events (
  position        integer primary key,
  stream          text    not null,
  version         integer not null,
  id              blob    not null,
  type            text    not null,
  schema_version  integer not null,
  data            blob    not null,
  tags            text    not null,
  recorded_at     integer not null,
  valid_at        integer,
  correlation_id  text    not null,
  causation_id    text,
  actor           text,
  metadata        blob    not null,
  category        text generated always as (substr(stream, 1, instr(stream, '-') - 1)) virtual,
  unique (stream, version),
  unique (id)
) strict;

create index events_by_type     on events (type);
create index events_by_category on events (category);
create index events_by_story    on events (correlation_id);

create table event_tags (
  tag       text    not null,
  position  integer not null,
  type      text    not null,
  primary key (tag, position)
) strict, without rowid;

-- INSERT OR REPLACE deletes rows without firing delete triggers, so what it would replace is refused before it inserts.
create trigger events_are_appended before insert on events
when new.position <= (select coalesce(max(position), 0) from events)
  or new.version <> (select coalesce(max(version), 0) + 1 from events where stream = new.stream)
  or exists (select 1 from events where id = new.id)
begin
  select raise(abort, 'events are facts: they are appended at the end, once, and replace nothing');
end;

create trigger events_are_not_changed before update on events
begin
  select raise(abort, 'events are facts: append a correcting event instead of changing one');
end;

create trigger events_are_not_removed before delete on events
begin
  select raise(abort, 'events are facts: append a correcting event instead of deleting one');
end;

create trigger tags_are_appended before insert on event_tags
when exists (select 1 from event_tags where tag = new.tag and position = new.position)
begin
  select raise(abort, 'the tags of an event are facts: they replace nothing');
end;

create trigger tags_are_not_changed before update on event_tags
begin
  select raise(abort, 'the tags of an event are facts and do not change');
end;

create trigger tags_are_not_removed before delete on event_tags
begin
  select raise(abort, 'the tags of an event are facts and do not go');
end;

create table refold_requests (
  key             text    primary key,
  asked           text    not null,
  stream          text    not null,
  version         integer not null,
  first_position  integer not null,
  last_position   integer not null
) strict, without rowid;

create table refold_checkpoints (
  projection  text    primary key,
  version     integer not null,
  position    integer not null
) strict, without rowid;
