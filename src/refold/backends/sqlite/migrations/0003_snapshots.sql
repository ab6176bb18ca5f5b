-- Format 3. Saved states of streams. They may all be deleted at any time: loads then fold from the first event again.

-- One row for a state that was saved. `fingerprint` is of the fold that made it, and of the classes of its state and events;
-- `last_id` is the id of the last event in it, so that a row of another history is never taken for one of this.
create table refold_snapshots (
  stream       text    not null,
  fingerprint  text    not null,
  version      integer not null,
  position     integer not null,
  last_id      blob    not null,
  state        blob    not null,
  checksum     blob    not null,
  taken_at     integer not null,
  primary key (stream, fingerprint, version)
) strict;

-- Which event stands where: what a snapshot is held against.
create view refold_places as select stream, version, position, id from events;
