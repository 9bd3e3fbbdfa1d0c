-- What was found after 0016: memos are texts too, and notes are found by an index that has no statistics as well.

DROP INDEX ebay.disputes_with_note;
CREATE INDEX disputes_by_word_of_note ON ebay.disputes USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.cases_with_note;
CREATE INDEX cases_by_word_of_note ON ebay.cases USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.inquiries_with_note;
CREATE INDEX inquiries_by_word_of_note ON ebay.inquiries USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.returns_with_note;
CREATE INDEX returns_by_word_of_note ON ebay.returns USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.cancellations_with_note;
CREATE INDEX cancellations_by_word_of_note ON ebay.cancellations USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.messages_with_note;
CREATE INDEX messages_by_word_of_note ON ebay.messages USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.best_offers_with_note;
CREATE INDEX best_offers_by_word_of_note ON ebay.best_offers USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.listings_with_note;
CREATE INDEX listings_by_word_of_note ON ebay.listings USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.purchases_with_note;
CREATE INDEX purchases_by_word_of_note ON ebay.purchases USING gin (ebay.words(note)) WHERE note IS NOT NULL;
DROP INDEX ebay.inventory_offers_with_note;
CREATE INDEX inventory_offers_by_word_of_note ON ebay.inventory_offers USING gin (ebay.words(note)) WHERE note IS NOT NULL;

DROP TRIGGER erase_new ON ebay.transactions;
DROP TRIGGER erase_again ON ebay.transactions;
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.transactions FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{transaction_memo}', '{buyer,transactionMemo}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.transactions FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{transaction_memo}', '{buyer,transactionMemo}');
