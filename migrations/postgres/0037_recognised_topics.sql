-- How a campaign's topics were recognised in its text, as JSON; none where the business named them. What it
-- named is what later proposals learn from, latest first.
alter table campaigns add column recognised text;
create index campaigns_by_time on campaigns (business, language, created_at);
