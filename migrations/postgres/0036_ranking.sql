-- What a list is ranked by and why, as JSON; none where it was sealed before there was a choice.
alter table lists add column ranking text;
-- Probability of a complaint or a stop, where the list is ranked by the expected increase and it is known.
alter table list_rows add column risk double precision;
