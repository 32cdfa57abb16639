ALTER TABLE records ADD COLUMN cell_text TEXT;
