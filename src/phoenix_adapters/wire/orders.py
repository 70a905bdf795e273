"""The three long messages that carry an order: placeOrder to the server, openOrder and completedOrder from it.

Fields have the client library's names, so that an order sent and its echo compare name by name. Where TWS fills a field
with something other than nothing although nobody set it, that is the default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from phoenix_adapters.wire.framing import UNSET_DOUBLE, number
from phoenix_adapters.wire.layout import Field, If, Item, Layout, Rows, plain

CONTRACT_12: Final = plain(
    "conId=0", "symbol", "secType", "lastTradeDateOrContractMonth", "strike=0", "right", "multiplier",
    "exchange", "primaryExchange", "currency", "localSymbol", "tradingClass",
)  # fmt: skip
CONTRACT_11: Final = tuple(one for one in CONTRACT_12 if one.name != "primaryExchange")

_FA_PROFILE: Final = Field("faProfile", before=177)
_TAG_VALUE: Final = plain("tag", "value")
_LEGS: Final = Rows(
    "comboLegs",
    plain("legConId", "ratio", "legAction", "legExchange", "openClose", "shortSaleSlot", "designatedLocation",
          "exemptCode"),
)  # fmt: skip
_ROUTING: Final[tuple[Item, ...]] = (
    _LEGS,
    Rows("orderComboLegs", plain("price")),
    Rows("smartComboRoutingParams", _TAG_VALUE),
)
_COMPARED: Final = plain("conjunction", "isMore")
_CONDITIONS: Final = Rows(
    "conditions",
    plain("condType"),
    {
        "1": _COMPARED + plain("price", "conId", "exch", "triggerMethod"),
        "3": _COMPARED + plain("time"),
        "4": _COMPARED + plain("percent"),
        "5": plain("conjunction", "secType", "exch", "symbol"),
        "6": _COMPARED + plain("volume", "conId", "exch"),
        "7": _COMPARED + plain("changePercent", "conId", "exch"),
    },
)


def _combo(record: Mapping[str, str]) -> bool:
    return record.get("secType") == "BAG"


def _delta_neutral_sent(record: Mapping[str, str]) -> bool:
    return bool(record.get("deltaNeutralOrderType"))


def _delta_neutral_echoed(record: Mapping[str, str]) -> bool:
    # TWS echoes the word "None" where nothing was set, and the block with it.
    return bool(record.get("deltaNeutralOrderType", "None"))


def _scaled(record: Mapping[str, str]) -> bool:
    increment = number(record.get("scalePriceIncrement", ""))
    return increment is not None and increment > Decimal(0)


def _hedged(record: Mapping[str, str]) -> bool:
    return bool(record.get("hedgeType"))


def _neutral_contract(record: Mapping[str, str]) -> bool:
    return record.get("deltaNeutralContract") in ("1", "True")


def _by_algorithm(record: Mapping[str, str]) -> bool:
    return bool(record.get("algoStrategy"))


def _pegged_to_benchmark(record: Mapping[str, str]) -> bool:
    return record.get("orderType") in ("PEG BENCH", "PEGBENCH")


def _conditional(record: Mapping[str, str]) -> bool:
    return record.get("conditions", "0") != "0"


def _at_ats(record: Mapping[str, str]) -> bool:
    return record.get("exchange") == "IBKRATS"


def _pegged_best(record: Mapping[str, str]) -> bool:
    return record.get("orderType") == "PEG BEST"


def _offsets_follow(record: Mapping[str, str]) -> bool:
    best = _pegged_best(record) and record.get("competeAgainstBestOffset") == "Infinite"
    return best or record.get("orderType") == "PEG MID"


_NEUTRAL_LONG: Final = plain(
    "deltaNeutralConId=0", "deltaNeutralSettlingFirm", "deltaNeutralClearingAccount", "deltaNeutralClearingIntent",
    "deltaNeutralOpenClose=?", "deltaNeutralShortSale=0", "deltaNeutralShortSaleSlot=0",
    "deltaNeutralDesignatedLocation",
)  # fmt: skip
_NEUTRAL_SHORT: Final = plain(
    "deltaNeutralConId=0", "deltaNeutralShortSale=0", "deltaNeutralShortSaleSlot=0", "deltaNeutralDesignatedLocation"
)
_SCALE: Final[tuple[Item, ...]] = (
    *plain("scaleInitLevelSize", "scaleSubsLevelSize", "scalePriceIncrement"),
    If(
        _scaled,
        plain(
            "scalePriceAdjustValue", "scalePriceAdjustInterval", "scaleProfitOffset", "scaleAutoReset=0",
            "scaleInitPosition", "scaleInitFillQty", "scaleRandomPercent=0",
        ),
    ),
)  # fmt: skip
_HEDGE: Final[tuple[Item, ...]] = (Field("hedgeType"), If(_hedged, plain("hedgeParam")))
_NEUTRAL_CONTRACT: Final[tuple[Item, ...]] = (
    Field("deltaNeutralContract", "0"),
    If(_neutral_contract, plain("neutralConId", "neutralDelta", "neutralPrice")),
)
_ALGORITHM: Final[tuple[Item, ...]] = (
    Field("algoStrategy"),
    If(_by_algorithm, (Rows("algoParams", _TAG_VALUE),)),
)
_BENCHMARK: Final = If(
    _pegged_to_benchmark,
    plain(
        "referenceContractId", "isPeggedChangeAmountDecrease", "peggedChangeAmount", "referenceChangeAmount",
        "referenceExchangeId",
    ),
)  # fmt: skip
_CONDITION_BLOCK: Final[tuple[Item, ...]] = (
    _CONDITIONS,
    If(_conditional, plain("conditionsIgnoreRth=0", "conditionsCancelOrder=0")),
)
_VOLATILITY: Final = ("volatility", "volatilityType=0", "deltaNeutralOrderType=None", "deltaNeutralAuxPrice=0")
_ENTRY: Final = (
    "action", "totalQuantity", "orderType", "lmtPrice=0.0", "auxPrice=0.0", "tif", "ocaGroup", "account", "openClose",
    "origin=0", "orderRef",
)  # fmt: skip
_PEG_OFFSETS: Final = tuple(
    Field(name, since=170)
    for name in ("minTradeQty", "minCompeteSize", "competeAgainstBestOffset", "midOffsetAtWhole", "midOffsetAtHalf")
)

PLACE_ORDER: Final = Layout(
    3,
    "placeOrder",
    (
        Field("orderId"), *CONTRACT_12, *plain("secIdType", "secId"),
        *plain("action", "totalQuantity", "orderType", "lmtPrice", "auxPrice", "tif", "ocaGroup", "account",
               "openClose", "origin=0", "orderRef", "transmit=1", "parentId=0", "blockOrder=0", "sweepToFill=0",
               "displaySize=0", "triggerMethod=0", "outsideRth=0", "hidden=0"),
        If(_combo, _ROUTING),
        *plain("sharesAllocation", "discretionaryAmt=0", "goodAfterTime", "goodTillDate", "faGroup", "faMethod",
               "faPercentage"),
        _FA_PROFILE,
        *plain("modelCode", "shortSaleSlot=0", "designatedLocation", "exemptCode=-1", "ocaType=0", "rule80A",
               "settlingFirm", "allOrNone=0", "minQty", "percentOffset", "eTradeOnly=0", "firmQuoteOnly=0",
               "nbboPriceCap", "auctionStrategy=0", "startingPrice", "stockRefPrice", "delta", "stockRangeLower",
               "stockRangeUpper", "overridePercentageConstraints=0", "volatility", "volatilityType",
               "deltaNeutralOrderType", "deltaNeutralAuxPrice"),
        If(_delta_neutral_sent, _NEUTRAL_LONG),
        *plain("continuousUpdate=0", "referencePriceType", "trailStopPrice", "trailingPercent"),
        *_SCALE,
        *plain("scaleTable", "activeStartTime", "activeStopTime"),
        *_HEDGE,
        *plain("optOutSmartRouting=0", "clearingAccount", "clearingIntent", "notHeld=0"),
        *_NEUTRAL_CONTRACT,
        *_ALGORITHM,
        *plain("algoId", "whatIf=0", "orderMiscOptions", "solicited=0", "randomizeSize=0", "randomizePrice=0"),
        _BENCHMARK,
        *_CONDITION_BLOCK,
        *plain("adjustedOrderType", "triggerPrice", "lmtPriceOffset", "adjustedStopPrice", "adjustedStopLimitPrice",
               "adjustedTrailingAmount", "adjustableTrailingUnit=0", "extOperator", "softDollarTierName",
               "softDollarTierValue", "cashQty", "mifid2DecisionMaker", "mifid2DecisionAlgo", "mifid2ExecutionTrader",
               "mifid2ExecutionAlgo", "dontUseAutoPriceForHedge=0", "isOmsContainer=0",
               "discretionaryUpToLimitPrice=0", "usePriceMgmtAlgo"),
        Field("duration", since=158), Field("postToAts", since=160), Field("autoCancelParent", "0", since=162),
        Field("advancedErrorOverride", since=166), Field("manualOrderTime", since=169),
        If(_at_ats, (Field("minTradeQty", since=170),)),
        If(_pegged_best, (Field("minCompeteSize", since=170), Field("competeAgainstBestOffset", since=170))),
        If(_offsets_follow, (Field("midOffsetAtWhole", since=170), Field("midOffsetAtHalf", since=170))),
    ),
)  # fmt: skip

OPEN_ORDER: Final = Layout(
    5,
    "openOrder",
    (
        Field("orderId"), *CONTRACT_11, *plain(*_ENTRY),
        *plain("clientId", "permId", "outsideRth=0", "hidden=0", "discretionaryAmt=0", "goodAfterTime",
               "sharesAllocation", "faGroup", "faMethod", "faPercentage"),
        _FA_PROFILE,
        *plain("modelCode", "goodTillDate", "rule80A", "percentOffset", "settlingFirm", "shortSaleSlot=0",
               "designatedLocation", "exemptCode=-1", "auctionStrategy=0", "startingPrice", "stockRefPrice", "delta",
               "stockRangeLower", "stockRangeUpper", "displaySize=0", "blockOrder=0", "sweepToFill=0", "allOrNone=0",
               "minQty", "ocaType=3", "eTradeOnly=0", "firmQuoteOnly=0", "nbboPriceCap", "parentId=0",
               "triggerMethod=0", *_VOLATILITY),
        If(_delta_neutral_echoed, _NEUTRAL_LONG),
        *plain("continuousUpdate=0", "referencePriceType=0", "trailStopPrice", "trailingPercent", "basisPoints",
               "basisPointsType", "comboLegsDescrip"),
        *_ROUTING,
        *_SCALE,
        *_HEDGE,
        *plain("optOutSmartRouting=0", "clearingAccount", "clearingIntent=IB", "notHeld=0"),
        *_NEUTRAL_CONTRACT,
        *_ALGORITHM,
        *plain("solicited=0", "whatIf=0", "status", *(
            f"{what}={UNSET_DOUBLE}" for what in (
                "initMarginBefore", "maintMarginBefore", "equityWithLoanBefore", "initMarginChange",
                "maintMarginChange", "equityWithLoanChange", "initMarginAfter", "maintMarginAfter",
                "equityWithLoanAfter")
        ), "commission", "minCommission", "maxCommission", "commissionCurrency", "warningText", "randomizeSize=0",
               "randomizePrice=0"),
        _BENCHMARK,
        *_CONDITION_BLOCK,
        *plain("adjustedOrderType=None", "triggerPrice", "adjustedTrailStopPrice", "lmtPriceOffset",
               "adjustedStopPrice", "adjustedStopLimitPrice", "adjustedTrailingAmount", "adjustableTrailingUnit=0",
               "softDollarTierName", "softDollarTierValue", "softDollarTierDisplayName", "cashQty=0",
               "dontUseAutoPriceForHedge=0", "isOmsContainer=0", "discretionaryUpToLimitPrice=0",
               "usePriceMgmtAlgo=0"),
        Field("duration", since=159), Field("postToAts", since=160), Field("autoCancelParent", "0", since=162),
        *_PEG_OFFSETS,
    ),
)  # fmt: skip

COMPLETED_ORDER: Final = Layout(
    101,
    "completedOrder",
    (
        *CONTRACT_11, *plain(*_ENTRY),
        *plain("permId", "outsideRth=0", "hidden=0", "discretionaryAmt=0", "goodAfterTime", "faGroup", "faMethod",
               "faPercentage"),
        _FA_PROFILE,
        *plain("modelCode", "goodTillDate", "rule80A", "percentOffset", "settlingFirm", "shortSaleSlot=0",
               "designatedLocation", "exemptCode=-1", "startingPrice", "stockRefPrice", "delta", "stockRangeLower",
               "stockRangeUpper", "displaySize=0", "sweepToFill=0", "allOrNone=0", "minQty", "ocaType=3",
               "triggerMethod=0", *_VOLATILITY),
        If(_delta_neutral_echoed, _NEUTRAL_SHORT),
        *plain("continuousUpdate=0", "referencePriceType=0", "trailStopPrice", "trailingPercent", "comboLegsDescrip"),
        *_ROUTING,
        *_SCALE,
        *_HEDGE,
        *plain("clearingAccount", "clearingIntent=IB", "notHeld=0"),
        *_NEUTRAL_CONTRACT,
        *_ALGORITHM,
        *plain("solicited=0", "status", "randomizeSize=0", "randomizePrice=0"),
        _BENCHMARK,
        *_CONDITION_BLOCK,
        *plain("adjustedTrailStopPrice", "lmtPriceOffset", "cashQty=0", "dontUseAutoPriceForHedge=0",
               "isOmsContainer=0", "autoCancelDate", "filledQuantity", "refFuturesConId", "autoCancelParent=0",
               "shareholder", "imbalanceOnly=0", "routeMarketableToBbo=0", "parentPermId", "completedTime",
               "completedStatus"),
        *_PEG_OFFSETS,
    ),
)  # fmt: skip
