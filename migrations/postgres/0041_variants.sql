-- Further texts of a campaign's message, as JSON; none where it has one.
alter table campaigns add column variants text;
-- The variants a list was written with, how probable each was and by what counts, as JSON.
alter table lists add column variants text;
-- Which variant a row is written, from 0, and how probable that was.
alter table list_rows add column variant bigint;
alter table list_rows add column variant_propensity double precision;
alter table exposures add column variant bigint;
alter table exposures add column variant_propensity double precision;
create index exposures_variants on exposures (campaign, subject) where variant is not null;
