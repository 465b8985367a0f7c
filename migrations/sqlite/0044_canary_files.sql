-- What a look for canaries could read besides the tables: how many files of the database were within
-- reach (none on a PostgreSQL whose files are elsewhere), and how many others could not be read.
alter table canaries add column files  integer;
alter table canaries add column unread integer;
