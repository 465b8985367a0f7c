-- What a list is expected to bring, as JSON; none where it was sealed before that was told.
alter table lists add column forecast text;
-- How probable it was for a row to be written to rather than kept aside; none where it was sealed before that
-- was written down.
alter table list_rows add column propensity real;
