-- Format 3. Saved states of streams. They may all be deleted at any time: loads then fold from the first event again.

-- One row for a state that was saved. `fingerprint` is of the fold that made it, and of the classes of its state and events;
-- `last_id` is the id of the last event in it, so that a row of another history is never taken for one of this.
create table {schema}.snapshots (
  stream       text   collate "C" not null,
  fingerprint  text   collate "C" not null,
  version      bigint not null,
  position     bigint not null,
  last_id      uuid   not null,
  state        bytea  not null,
  checksum     bytea  not null,
  taken_at     bigint not null,
  primary key (stream, fingerprint, version)
);

-- Which event stands where: what a snapshot is held against.
create view {schema}.places as select stream, version, position, id from {schema}.events;
