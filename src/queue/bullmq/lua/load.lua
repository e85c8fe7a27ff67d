-- uses: keys records took
-- A delivery that its taker had in memory and has no more: given { id, n }.
local d = readDelivery(given.id, given.n)
return answer(d and load(given.id, given.n, d) or { 'gone' })
